"""Every page there is, by its uid; a page's uid in another language than English ends with the language (`-zh`)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from city.words import languages
from dashboards.builder import Dashboard, Json
from dashboards.domain import bridge, gas, settlement, waterlogging
from dashboards.incident import incident
from dashboards.palette import Theme
from dashboards.platform import platform
from dashboards.public import public
from dashboards.quality import quality
from dashboards.sensor import sensor
from dashboards.statistics import statistics
from dashboards.wall import wall


class PageMaker(Protocol):
    """Makes one page in one language and theme (ValueError for a language there is none of)."""

    def __call__(self, language: str, console_url: str, tiles: str, theme: Theme) -> Dashboard:
        """The page; `console_url` without a slash at the end, `tiles` as in `Geomap`."""
        ...


PAGES: Mapping[str, PageMaker] = MappingProxyType(
    {
        "lifeline-wall": wall,
        "lifeline-gas": gas,
        "lifeline-waterlogging": waterlogging,
        "lifeline-bridge": bridge,
        "lifeline-settlement": settlement,
        "lifeline-sensor": sensor,
        "lifeline-incident": incident,
        "lifeline-statistics": statistics,
        "lifeline-quality": quality,
        "lifeline-platform": platform,
        "lifeline-public": public,
    }
)


def pages(language: str, console_url: str, tiles: str = "", theme: Theme = "dark") -> list[Dashboard]:
    """Every page in one language."""
    return [make(language, console_url.rstrip("/"), tiles, theme) for make in PAGES.values()]


def all_dashboards(console_url: str, tiles: str = "", theme: Theme = "dark") -> dict[str, Json]:
    """Every page in every language as Grafana's JSON, by uid; the same arguments always give the same result."""
    boards = [board for language in languages for board in pages(language, console_url, tiles, theme)]
    return {board.uid: board.json() for board in boards}
