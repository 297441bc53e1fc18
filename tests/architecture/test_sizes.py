"""The budget: a file fits in a head, a function on a screen. Exceptions stand in house.toml, each with its reason."""

from __future__ import annotations

import ast

import pytest
from tests.architecture.source_tree import HOUSE, ROOT, SourceFile, code_lines, functions, parameters, source_files

SIZES = HOUSE["sizes"]
EXCEPTIONS: dict[tuple[str, str | None], dict[str, object]] = {
    (exception["file"], exception.get("function")): exception for exception in SIZES.get("exception", [])
}


def limit(source: SourceFile, function: str | None, usual: int) -> int:
    exception = EXCEPTIONS.get((str(source), function))
    return usual if exception is None else int(str(exception["limit"]))


@pytest.mark.parametrize("source", source_files(), ids=str)
def test_files_and_entry_points_are_short(source):
    usual = SIZES["entry_point_lines"] if source.is_entry_point else SIZES["file_lines"]
    assert len(source.text.splitlines()) <= limit(source, None, usual)


@pytest.mark.parametrize("source", source_files(), ids=str)
def test_functions_are_short(source):
    usual = SIZES["function_code_lines"]
    sizes = {name: code_lines(function, source.text) for name, function in functions(source)}
    assert {name: size for name, size in sizes.items() if size > limit(source, name, usual)} == {}


@pytest.mark.parametrize("source", source_files(), ids=str)
def test_functions_take_few_parameters(source):
    """A constructor that a config node fills names each of its parts; house.toml lists those with more than the usual number."""
    usual = SIZES["parameters"]
    counts = {name: len(parameters(function)) for name, function in functions(source)}
    assert {name: count for name, count in counts.items() if count > limit(source, name, usual)} == {}


@pytest.mark.parametrize("path", sorted((ROOT / "tests").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_test_files_are_short(path):
    assert len(path.read_text().splitlines()) <= limit_of_test(path)


def limit_of_test(path) -> int:
    exception = EXCEPTIONS.get((path.relative_to(ROOT).as_posix(), None))
    return SIZES["file_lines"] if exception is None else int(str(exception["limit"]))


def test_exceptions_are_needed_and_reasoned():
    for (file, function), exception in EXCEPTIONS.items():
        assert len(str(exception["reason"]).split()) >= 4, f"{file}: an exception tells its reason"
        text = (ROOT / file).read_text()
        if function is None:
            assert len(text.splitlines()) > SIZES["file_lines"], f"{file} is short again: take its exception out"
            continue
        source = next(source for source in source_files() if str(source) == file)
        definition = dict(functions(source))[function]
        oversized = code_lines(definition, text) > SIZES["function_code_lines"] or len(parameters(definition)) > SIZES["parameters"]
        assert oversized, f"{file}: {function} is small again: take its exception out"


def test_counting_leaves_out_what_is_not_code():
    text = 'def f(self, a, *, b, **rest):\n    """Two\n    lines."""\n    # reason\n\n    x = (a +\n         b)\n    return x\n'
    function = ast.parse(text).body[0]
    assert isinstance(function, ast.FunctionDef)
    assert code_lines(function, text) == 3
    assert [parameter.arg for parameter in parameters(function)] == ["a", "b", "rest"]
