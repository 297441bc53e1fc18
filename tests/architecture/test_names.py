"""Names: no grab-bags, whole words, American spelling, keyword-only constructors, no default for what changes the science."""

from __future__ import annotations

import ast
import re

import pytest
from tests.architecture.source_tree import PACKAGE, ROOT, RULES, functions, parameters, source_files

NAMES = RULES["names"]
SPELLING: dict[str, str] = RULES["spelling"]
PROSE = [
    path
    for folder, pattern in [("src", "*.py"), ("conf", "*.yaml"), ("tests", "*.py"), ("docs", "*.md"), (".", "*.md")]
    for path in sorted((ROOT / folder).rglob(pattern) if folder != "." else ROOT.glob(pattern))
]


def test_no_grab_bag():
    stems = {part for path in PACKAGE.rglob("*") for part in [path.stem]}
    assert stems.isdisjoint(NAMES["modules"])


@pytest.mark.parametrize("source", source_files(), ids=str)
def test_parameters_are_words(source):
    banned = set(NAMES["parameters"])
    if not source.is_entry_point and source.package not in ("runner", "command"):
        banned |= set(NAMES["travelling_config"])
    else:
        banned -= {"cfg"}
    assert [(name, p.arg) for name, function in functions(source) for p in parameters(function) if p.arg in banned] == []


@pytest.mark.parametrize("source", source_files(), ids=str)
def test_what_changes_the_science_has_no_default(source):
    science = set(NAMES["science"])
    found = []
    for name, function in functions(source):
        if not name.endswith("__init__"):
            continue
        spelled = function.args
        positional = [*spelled.posonlyargs, *spelled.args]
        defaulted = positional[len(positional) - len(spelled.defaults) :] if spelled.defaults else []
        defaulted += [p for p, default in zip(spelled.kwonlyargs, spelled.kw_defaults, strict=True) if default is not None]
        found += [(name, p.arg) for p in defaulted if p.arg in science]
    assert found == []


@pytest.mark.parametrize("source", source_files(), ids=str)
def test_constructors_take_keywords(source):
    """At most one positional argument, and then the thing itself: `MomentumEncoder(encoder, *, ...)`. Exceptions pickle by position."""
    many = [
        (name, [p.arg for p in function.args.args[1:]])
        for name, function in functions(source)
        if name.endswith(".__init__") and not name.startswith("_") and len(function.args.args) > 2 and not name.endswith("Error.__init__")
    ]
    assert many == []


@pytest.mark.parametrize("path", PROSE, ids=lambda path: str(path.relative_to(ROOT)))
def test_spelling_is_american(path):
    british = re.compile(r"\b_?(" + "|".join(SPELLING) + ")", re.IGNORECASE)
    found = [(number, match.group()) for number, line in enumerate(path.read_text().splitlines(), 1) for match in british.finditer(line)]
    assert found == []


def test_no_import_is_hidden_in_a_function():
    """An import inside a function hides a cycle or a dependency; where it must be, a comment on its line or above tells why."""
    hidden = set()
    for source in source_files():
        lines = source.text.splitlines()
        nodes = [node for _, function in functions(source) for node in ast.walk(function)]
        imports = [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
        hidden |= {f"{source}:{node.lineno}" for node in imports if not any("#" in line for line in lines[node.lineno - 2 : node.lineno])}
    assert sorted(hidden) == []
