"""What `lifeline rules check` finds: faults, and what is allowed but hardly meant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from city.errors import Fault, FaultyInput
from city.folder import read_folder
from rules.check import load_files
from rules.language.lint import Advice, lint
from rules.trials.casefile import Folder, read_cases
from rules.trials.scenario import drill_faults


@dataclass(frozen=True)
class Found:
    """The outcome of a check; warnings are looked for only where there is no fault."""

    faults: Sequence[Fault] = ()
    warnings: Sequence[Advice] = ()
    rules: int = 0
    tests: int = 0

    def failed(self, *, strict: bool) -> bool:
        """Whether the check fails; with `strict`, for warnings too."""
        return bool(self.faults) or (strict and bool(self.warnings))

    def document(self) -> dict[str, object]:
        """The same for other programs: lists of faults and warnings with their places, and how much was looked at."""
        return {
            "rules": self.rules,
            "tests": self.tests,
            "faults": [asdict(fault) for fault in self.faults],
            "warnings": [asdict(one.fault) | {"name": one.name} for one in self.warnings],
        }


@dataclass
class _Count:
    faults: list[Fault] = field(default_factory=list)
    tests: int = 0


def check_rules(directory: Path) -> Found:
    """Check a city folder with its rule books and rule tests."""
    try:
        files = read_folder(directory)
        checked = load_files(files)
    except FaultyInput as error:
        return Found(error.faults)
    count, folder = _Count(), Folder(files)
    for name in folder.tests():
        try:
            count.tests += len(read_cases(folder, name))
        except FaultyInput as error:
            count.faults += error.faults
    count.faults += drill_faults(files, checked.book, checked.escalation)
    rules = {instance.rule.id for instance in checked.book.instances.values()}
    rules |= {watch.rule.id for watch in checked.book.watches.values()}
    if count.faults:
        return Found(sorted(set(count.faults)), rules=len(rules), tests=count.tests)
    return Found((), lint(files, checked.book), len(rules), count.tests)
