"""The budget: a file fits in a head, a function on a screen. Exceptions stand in rules.toml, each with its reason."""

from __future__ import annotations

import ast
from typing import Any

import pytest
from tests.architecture.source_tree import ROOT, RULES, code_lines, functions, parameters, source_files

SIZES = RULES["sizes"]
EXCEPTIONS: list[dict[str, Any]] = SIZES.get("exception", [])


def limit(file: str, usual: int, *, measure: str, function: str | None = None) -> int:
    fitting = [exception for exception in EXCEPTIONS if (exception["file"], exception["measure"]) == (file, measure)]
    return next((exception["limit"] for exception in fitting if exception.get("function") == function), usual)


def oversized(sizes: dict[str, int], *, file: str, measure: str) -> dict[str, int]:
    return {name: size for name, size in sizes.items() if size > limit(file, SIZES[measure], measure=measure, function=name)}


@pytest.mark.parametrize("source", source_files(), ids=str)
def test_files_and_entry_points_are_short(source):
    usual = SIZES["entry_point_lines"] if source.is_entry_point else SIZES["file_lines"]
    assert len(source.text.splitlines()) <= limit(str(source), usual, measure="file_lines")


@pytest.mark.parametrize("source", source_files(), ids=str)
def test_functions_are_short(source):
    sizes = {name: code_lines(function, source.text) for name, function in functions(source)}
    assert oversized(sizes, file=str(source), measure="function_code_lines") == {}


@pytest.mark.parametrize("source", source_files(), ids=str)
def test_functions_take_few_parameters(source):
    """A constructor that a config node fills names each of its parts; rules.toml lists those with more than the usual number."""
    counts = {name: len(parameters(function)) for name, function in functions(source)}
    assert oversized(counts, file=str(source), measure="parameters") == {}


@pytest.mark.parametrize("path", sorted((ROOT / "tests").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_test_files_are_short(path):
    file = path.relative_to(ROOT).as_posix()
    assert len(path.read_text().splitlines()) <= limit(file, SIZES["file_lines"], measure="file_lines")


@pytest.mark.parametrize("exception", EXCEPTIONS, ids=lambda exception: exception["file"])
def test_an_exception_is_needed_and_tells_its_reason(exception):
    assert len(exception["reason"].split()) >= 4
    text = (ROOT / exception["file"]).read_text()
    if exception["measure"] == "file_lines":
        size = len(text.splitlines())
    else:
        definition = dict(functions(next(source for source in source_files() if str(source) == exception["file"])))[exception["function"]]
        size = len(parameters(definition)) if exception["measure"] == "parameters" else code_lines(definition, text)
    assert SIZES[exception["measure"]] < size == exception["limit"], "take the exception out, or let it say the true size"


def test_counting_leaves_out_what_is_not_code():
    text = 'def f(self, a, *, b, **rest):\n    """Two\n    lines."""\n    # reason\n\n    x = (a +\n         b)\n    return x\n'
    function = ast.parse(text).body[0]
    assert isinstance(function, ast.FunctionDef)
    assert code_lines(function, text) == 3
    assert [parameter.arg for parameter in parameters(function)] == ["a", "b", "rest"]
