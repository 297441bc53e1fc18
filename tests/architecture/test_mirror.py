"""Each file of a package has its unit tests where a newcomer looks for them, or rules.toml names the test that covers it."""

from __future__ import annotations

import ast

import pytest
from tests.architecture.source_tree import ROOT, RULES, SourceFile, source_files

COVERED_ELSEWHERE: dict[str, str] = RULES["mirror"]


def needs_tests(source: SourceFile) -> bool:
    """An empty package file, or one that only re-exports, holds nothing to test."""
    return any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in ast.walk(source.tree)) and not source.is_entry_point


def expected_test(source: SourceFile) -> str:
    *folders, name = source.module.split("/")
    return "/".join(["tests", "unit", *folders, f"test_{name}.py"])


def covering_files(source: SourceFile) -> list[str]:
    """`test_<module>.py`, or, for a file with many tests, `test_<module>_<topic>.py`."""
    expected = ROOT / expected_test(source)
    return [str(file.relative_to(ROOT)) for file in (*expected.parent.glob(expected.name), *expected.parent.glob(f"{expected.stem}_*.py"))]


@pytest.mark.parametrize("source", [source for source in source_files() if needs_tests(source)], ids=str)
def test_each_file_is_mirrored(source):
    covering = [COVERED_ELSEWHERE[source.module]] if source.module in COVERED_ELSEWHERE else covering_files(source)
    assert covering, f"{source} has no {expected_test(source)}"
    assert all("def test_" in (ROOT / file).read_text() for file in covering)


def test_the_exceptions_are_needed():
    by_module = {source.module: source for source in source_files()}
    for module in COVERED_ELSEWHERE:
        assert module in by_module, f"rules.toml excuses {module}, which is gone"
        assert not (ROOT / expected_test(by_module[module])).exists(), f"{module} has a test file of its own: take its exception out"


def test_no_test_outlives_its_source():
    unit = ROOT / "tests" / "unit"
    modules = {source.module for source in source_files()}
    for path in sorted(unit.rglob("test_*.py")):
        module = path.relative_to(unit).with_name(path.stem.removeprefix("test_")).as_posix()
        assert any(module == source or module.startswith(f"{source}_") for source in modules), f"{path.relative_to(ROOT)} mirrors no file"
