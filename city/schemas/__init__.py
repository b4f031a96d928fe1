"""JSON Schemas of the files that people edit as YAML, for their editors.

The files beside this one are made by `rules.schemas` from what the readers go by; a test compares them. An editor finds
the schema of a file by a comment on its first line, which needs no network: the schemas lie in the city folder, in
`.schemas/`, which Lifeline itself passes over.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from importlib.resources import files
from pathlib import Path

FOLDER = ".schemas"
# By name: which files of a city folder it is for; the first that fits counts.
PATTERNS = {
    "tests": "rules/*.test.yaml",
    "drill": "drills/*.yaml",
    "rules": "rules/*.yaml",
    "escalation": "escalation.yaml",
    "calendar": "calendar.yaml",
    "detection": "detection.yaml",
    "city": "city.yaml",
    "mapping": "mappings/*.yaml",
    "gateway": "gateway.yaml",
}


def text(name: str) -> str:
    """The JSON text of a schema (a key of `PATTERNS`)."""
    return files(__name__).joinpath(f"{name}.json").read_text(encoding="utf-8")


def hint(file: str) -> str:
    """The first line that tells editors the schema of a file (its path in the city folder); empty when it has none."""
    for name, pattern in PATTERNS.items():
        if fnmatchcase(file, pattern):
            up = "../" * file.count("/")
            return f"# yaml-language-server: $schema={up}{FOLDER}/{name}.json\n"
    return ""


def write(folder: Path) -> list[Path]:
    """Write every schema into `.schemas/` of a city folder; the files written."""
    written = []
    for name in PATTERNS:
        path = folder / FOLDER / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text(name), encoding="utf-8")
        written.append(path)
    return written
