"""Rule 2 and rule 5: a config node is one constructor call with known keywords, and every option has a reader."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra.utils import get_object
from tests.architecture.source_tree import ROOT, functions, source_files

CONF = ROOT / "conf"
FILES = sorted(CONF.rglob("*.yaml"))
HYDRAS_OWN = {"_target_", "_partial_", "_convert_", "_recursive_", "_args_"}
INTERPOLATION = re.compile(r"\$\{(?!oc\.|now:)\.*([\w.]+)")


def nodes(value: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """`(dotted path, node)` of every node with a `_target_`."""
    if isinstance(value, dict):
        if "_target_" in value:
            yield path, value
        for key, child in value.items():
            yield from nodes(child, f"{path}.{key}".strip("."))
    elif isinstance(value, list):
        for position, child in enumerate(value):
            yield from nodes(child, f"{path}[{position}]")


def unknown_keywords(node: dict[str, Any]) -> set[str]:
    signature = inspect.signature(get_object(node["_target_"]))
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in signature.parameters.values()):
        return set()
    return set(node) - HYDRAS_OWN - set(signature.parameters)


def load(path: Path) -> Any:
    """The file's own content, without the list of groups that Hydra takes out."""
    content = yaml.safe_load(path.read_text()) or {}
    return {key: value for key, value in content.items() if key != "defaults"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_targets_resolve_and_take_the_keywords(path):
    for place, node in nodes(load(path)):
        assert unknown_keywords(node) == set(), (
            f"{path.relative_to(ROOT)}: {place or 'the file'} gives {node['_target_']} what it does not take"
        )


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_group_file_is_one_call_or_plain_values(path):
    """No type strings and no registry: nothing selects a class but `_target_`."""
    for _, node in nodes(load(path)):
        assert not {"type", "class", "kind"} & set(node)


def plain_options(value: Any, path: str = "") -> Iterator[str]:
    """Dotted paths of the leaves that no `_target_` encloses."""
    if isinstance(value, dict):
        if "_target_" in value:
            return
        for key, child in value.items():
            yield from plain_options(child, f"{path}.{key}".strip("."))
    else:
        yield path


def words_read_by_the_runner() -> set[str]:
    """Attributes, keys and dotted strings in the only places that see a config."""
    words: set[str] = set()
    for source in source_files():
        if source.package in ("runner", "command") or source.is_entry_point:
            for node in ast.walk(source.tree):
                if isinstance(node, ast.Attribute):
                    words.add(node.attr)
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    words |= set(re.findall(r"\w+", node.value))
                elif isinstance(node, ast.arg):
                    words.add(node.arg)
    return words


def test_every_plain_option_has_a_reader():
    """A value outside a constructor call is interpolated somewhere, or read by the runner."""
    interpolated = {word for path in FILES for dotted in INTERPOLATION.findall(path.read_text()) for word in dotted.split(".")}
    of_tables = {name for path in FILES for name in re.findall(r"\{(?:root|weights)\.(\w+)\}", path.read_text())}  # of `reproduce`
    readers = interpolated | of_tables | words_read_by_the_runner()
    unread = []
    for path in FILES:
        group = path.relative_to(CONF).parts[0]
        if group in {"hydra", "experiment", "debug", "sweep"}:
            continue  # overlays: Hydra itself refuses keys that the groups lack
        options = [option for option in plain_options(load(path)) if option.split(".")[0] != "hydra"]
        unread += [
            f"{path.relative_to(ROOT)}: {option}" for option in options if option.split(".")[-1] not in readers and group not in readers
        ]
    assert unread == []


@pytest.mark.parametrize("source", source_files(), ids=str)
def test_a_stored_option_is_read(source):
    """`self.name = name` in a constructor promises that somebody reads it."""
    read = {
        node.attr
        for other in source_files()
        for node in ast.walk(other.tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    }
    stored = set()
    for name, function in functions(source):
        if not name.endswith("__init__"):
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name):
                targets = [target for target in node.targets if isinstance(target, ast.Attribute)]
                stored |= {target.attr for target in targets}
    assert stored - read == set()


def test_a_wrong_keyword_is_found():
    assert unknown_keywords({"_target_": "pathlib.PurePath"}) == set()
    assert unknown_keywords({"_target_": "vclr_pl.types.InputError", "expected": "a", "gott": "b"}) == {"gott"}
    assert [place for place, _ in nodes({"a": {"_target_": "x", "b": [{"_target_": "y"}]}})] == ["a", "a.b[0]"]
    assert list(plain_options({"a": {"_target_": "x", "c": 1}, "b": {"d": 2}})) == ["b.d"]
