"""The book's hook for MkDocs: brings in pages that stay beside what they explain, and turns links between all of them.

A link is written as it works on the repository's web view: relative to the file it stands in. In the book, one to a
page leads to that page; one to any other file of the repository becomes plain text, for the book does not hold it.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pymdownx.slugs import slugify

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT: Final = Path(__file__).resolve().parents[1]
# A page's name in the book, and the file of the repository that it is.
GUESTS: Final[Mapping[str, str]] = {
    "project/README.md": "README.md",
    "project/README.zh.md": "README.zh.md",
    "project/CHANGELOG.md": "CHANGELOG.md",
    "project/CONTRIBUTING.md": "CONTRIBUTING.md",
    "project/DECISIONS.md": "DECISIONS.md",
    "project/store-decisions.md": "store/DECISIONS.md",
    "city/example/README.md": "city/example/README.md",
    "deploy/README.md": "deploy/README.md",
    "deploy/RUNBOOK.md": "deploy/RUNBOOK.md",
    "deploy/SECURITY.md": "deploy/SECURITY.md",
    "deploy/systemd/README.md": "deploy/systemd/README.md",
    "deploy/backup.md": "deploy/backup.md",
    "deploy/upgrade.md": "deploy/upgrade.md",
}
_PLACES: Final = {file: uri for uri, file in GUESTS.items()}
# Leftmost first: a whole block of code, a link (whose words may hold code), code in a line.
_BLOCK = r"^ *(?P<fence>`{3,}|~{3,})[^\n]*\n.*?^ *(?P=fence) *$"
_WORDS = r"(?:`[^`\n]*`|\[[^\[\]]*\]|[^\[\]`])*"
_PIECE = re.compile(
    rf"{_BLOCK}|(?P<picture>!?)\[(?P<words>{_WORDS})\]\((?P<target>[^)\s]+)\)|(?P<ticks>`+).+?(?P=ticks)(?!`)",
    re.MULTILINE | re.DOTALL,
)
_FENCE = re.compile(r"^( *`{3,})(\w+) +(\S.*)$", re.MULTILINE)
_OUTSIDE = re.compile(r"[a-z]+:|#|//")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Make headings' anchors those of repositories' web views: Chinese ones, too, and two of a name told apart."""
    config.mdx_configs["toc"]["slugify"] = slugify(case="lower")
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from outside `docs/`."""
    from mkdocs.structure.files import File

    for uri, file in GUESTS.items():
        files.append(File.generated(config, uri, abs_src_path=str(ROOT / file)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links, and what an example is called beside its language into the example's title."""
    return _FENCE.sub(_titled, turned(markdown, page.file.src_uri))


def turned(text: str, uri: str) -> str:
    """The text of the page `uri` with links that work in the book."""
    here = posixpath.dirname(GUESTS.get(uri, f"docs/{uri}"))

    def piece(match: re.Match[str]) -> str:
        target = match["target"]
        if target is None or _OUTSIDE.match(target):
            return match[0]
        file, _, anchor = target.partition("#")
        place = posixpath.normpath(posixpath.join(here, file))
        inside = place.removeprefix("docs/") if place.startswith("docs/") else _PLACES.get(place)
        if inside is None:  # of a file that is nowhere, MkDocs tells
            return match["words"] if (ROOT / place).exists() else match[0]
        there = posixpath.relpath(inside, posixpath.dirname(uri) or ".")
        return f"{match['picture']}[{match['words']}]({there}{'#' if anchor else ''}{anchor})"

    return _PIECE.sub(piece, text)


def _titled(match: re.Match[str]) -> str:
    """A file or topic behind the language becomes the title; another word is the tests' own."""
    fence, language, name = match.groups()
    return f'{fence}{language} title="{name}"' if re.search("[./]", name) else f"{fence}{language}"
