"""Which values of `reproduce` are refused before anything is planned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vclr_pl.config_path import config_folder
from vclr_pl.runner.group import group_names
from vclr_pl.runner.suggestion import did_you_mean
from vclr_pl.types import InputError

MEASURED = "measured"
METHOD = "{method}"


def refuse_bad_input(content: Mapping[str, Any]) -> None:
    """Check the values whose mistakes would else appear in the middle of the work, or start other runs than those that were meant.

    Args:
        content: the config, resolved.

    Raises:
        InputError: at the first mistake.
    """
    if content["plan"] not in (True, False, MEASURED):
        _refuse(f"plan=true, plan={MEASURED} or plan=false", "plan", content["plan"], hint="Set plan=true.")
    for name in ("skip_missing", "repeat_changed"):
        if not isinstance(content[name], bool):
            _refuse(f"{name}=true or {name}=false", name, content[name], hint="Correct the value.")
    if not _is_whole(content["jobs"], least=1):
        _refuse("a number of processes, at least 1", "jobs", content["jobs"], hint="Set jobs=1.")
    for command, given in content["options"].items():
        if not _are_options(given):
            words = f"options.{command}='{{trainer.max_epochs: 1}}' or options.{command}='[trainer.max_epochs=1]'"
            _refuse(words, f"options.{command}", given, hint="Write options in one of these forms.")
    _refuse_bad_table(content["table"])


def _refuse_bad_table(table: Mapping[str, Any]) -> None:
    for axis in ("tasks", "methods", "seeds"):
        if axis in table and (not isinstance(table[axis], list) or not table[axis]):
            _refuse(f"a list with at least one of the {axis}", f"table.{axis}", table[axis], hint="Write it in brackets, as in [a,b].")
    if bad := [seed for seed in table["seeds"] if not _is_whole(seed, least=0)]:
        _refuse("seeds that are whole numbers from 0", "table.seeds", bad[0], hint="Correct the list.")
    methods = known_methods(table)
    known = {"tasks": [*(table.get("data") or ())], "methods": methods}
    for axis, names in known.items():
        for name in table.get(axis) or () if names else ():
            if name not in names:
                _refuse(f"table.{axis} of {', '.join(names)}", f"table.{axis}", name, hint=did_you_mean(str(name), names))
    reference, rows = table.get("reference"), [*dict.fromkeys([*_rows(table), *methods])]
    if reference is not None and reference not in rows:
        _refuse(f"a method of {', '.join(rows)}", "table.reference", reference, hint=did_you_mean(str(reference), rows))


def fixed_methods(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Encoders that a table has for every choice of methods, such as `random`."""
    return [*dict.fromkeys(name for entry in runs for name in entry.get("encoders", {}) if METHOD not in name)]


def known_methods(table: Mapping[str, Any]) -> list[str]:
    """The choices of the group that a method sets, as in `objective={method}`, and the fixed ones; empty where it sets none."""
    words = [word.partition("=") for entry in table["runs"] for word in entry["options"]]
    groups = dict.fromkeys(key for key, _, value in words if value == METHOD and key in group_names())
    choices = [file.stem for group in groups for file in sorted((config_folder() / group).glob("*.yaml"))]
    return [*dict.fromkeys([*choices, *fixed_methods(table["runs"])])] if choices else []


def _rows(table: Mapping[str, Any]) -> Iterator[str]:
    for row in (cell["row"] for entry in table["runs"] for cell in entry.get("cells", ())):
        yield from (row.replace(METHOD, method) for method in table.get("methods") or ("",))


def _are_options(given: object) -> bool:
    """A mapping, or words such as `a=1` and `~a`."""
    if given is None or isinstance(given, Mapping):
        return True
    return isinstance(given, list) and all(isinstance(word, str) and ("=" in word or word.startswith("~")) for word in given)


def _is_whole(value: object, *, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _refuse(expected: str, key: str, value: object, *, hint: str) -> None:
    raise InputError(expected=expected, got=f"{key}={value}", hint=hint)
