"""The dependency list is what the package imports, and constraints.txt holds a tried version of all that is installed."""

from __future__ import annotations

import importlib.metadata
import re
import sys
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tests.architecture.source_tree import ROOT, imported_modules, source_files

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
REQUIRED = {canonicalize_name(one.name): one for one in map(Requirement, PROJECT["dependencies"])}
TRIED = {
    canonicalize_name(name): version
    for name, version in re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
}
NOT_FROZEN = {"pip", "vclr-pl", "tomli", "importlib-metadata", "zipp"}  # the last three: for older Pythons


def test_what_is_required_is_what_is_imported():
    distributions = importlib.metadata.packages_distributions()
    names = {name.split(".")[0] for source in source_files() for _, name in imported_modules(source)}
    foreign = names - set(sys.stdlib_module_names) - {"vclr_pl"}
    assert {canonicalize_name(distributions[name][0]) for name in foreign} == set(REQUIRED)


def test_every_range_has_both_ends():
    open_ended = [str(one) for one in REQUIRED.values() if not {"=="} & {part.operator for part in one.specifier}]
    assert [one for one in open_ended if not (">=" in one and "<" in one)] == []


def test_the_tried_versions_lie_in_the_ranges():
    for name, requirement in REQUIRED.items():
        assert requirement.specifier.contains(TRIED[name]), (requirement, TRIED[name])


@pytest.mark.skipif(importlib.metadata.version("torch").split("+")[0] != TRIED["torch"], reason="this machine has another torch")
def test_all_that_the_package_brings_along_is_constrained():
    """Walks what is installed; another torch brings other packages along."""
    seen, waiting = set(), [Requirement(f"vclr-pl[{','.join(PROJECT['optional-dependencies'])}]")]
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        try:
            requires = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue  # an extra that is not installed here
        for one in map(Requirement, requires):
            if any(one.marker is None or one.marker.evaluate({"extra": extra}) for extra in {"", *wanted.extras}):
                key = (canonicalize_name(one.name), tuple(sorted(one.extras)))
                if key not in seen:
                    seen.add(key)
                    waiting.append(one)
    brought = {name for name, _ in seen if _is_installed(name)}
    assert brought - set(TRIED) - NOT_FROZEN == set()


def _is_installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def test_the_constraints_name_no_host():
    assert "://" not in (ROOT / "constraints.txt").read_text()
