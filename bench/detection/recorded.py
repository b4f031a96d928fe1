"""The recorded sets as one section of the report."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from bench.detection.recordedothers import bridge_section, floodnet_section, gnss_section, methane_section
from bench.detection.recordedsets import Folder
from bench.detection.recordedstage import section as stage_section
from bench.detection.report import Options, Section

_TITLE = "Recorded sets of others"


def section(options: Options) -> Section:
    """Every set whose folder is there; the others say that they are not."""
    if options.data is None or not options.data.is_dir():
        return Section(_TITLE, ("SKIPPED: no data folder; set LIFELINE_DATA_DIR to one that has the sets.",))
    sets: dict[str, Callable[[Folder], Section]] = {
        "stage": stage_section,
        "floodnet": partial(floodnet_section, quick=options.quick),
        "bridge": bridge_section,
        "gnss": partial(gnss_section, quick=options.quick),
        "methane": methane_section,
    }
    found = []
    for name, measure in sets.items():
        folder = options.data / name
        if folder.is_dir():
            options.progress(f"recorded: {name}")
            found.append((name, measure(Folder(folder))))
        else:
            found.append((name, Section(name, (f"SKIPPED: no folder {name} in the data folder.",))))
    words = ("Engine and detectors as they are, nothing chosen by these records.",)
    return Section(
        _TITLE,
        (*words, *(f"{one.title}. {text}" for _, one in found for text in one.words)),
        tuple(table for _, one in found for table in one.tables),
        tuple(plot for _, one in found for plot in one.plots),
        {name: dict(one.figures) for name, one in found},
    )
