"""What the user probably meant: the nearest known name, and hints with the option names of the command.

The code that finds a mistake knows an option's short name; the runner knows its full key in this command.
"""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Collection, Iterable, Mapping

from vclr_pl.config_path import config_folder
from vclr_pl.runner.group import group_names

# not an argument of Python's, as in `f(..., a=1)`, and not one of another program's, as in `--a=1`
OPTION = re.compile(r"(?<![\w.@/-])(?<!\.\.\., )(?P<key>[a-z_][\w./]*)=(?P<value>\.\.\.|[^\s,;.)]\S*)")
SENTENCE = re.compile(r"[^.]+(?:\.(?!\s|$)[^.]*)*\.?\s*")
NOTHING = "This command has no option for it."


def fitted_hint(hint: str, *, known: Collection[str], places: Mapping[str, str], node: str = "") -> str:
    """The sentences of `hint` whose options this command has, the options with their full names.

    Args:
        known: every option of the composed config, dotted.
        places: where each group of the command stands in its config.
        node: dotted, the node that the mistake was found in; an option that several nodes have is taken to be this one's.
    """
    kept = []
    for sentence in SENTENCE.findall(hint):
        keys = [found["key"] for found in OPTION.finditer(sentence)]
        names = {key: _of_chosen_group(key, keys, places) or full_name(key, known=known, places=places, node=node) for key in keys}
        if all(names.values()) and all(_is_choice(found["key"], found["value"], places) for found in OPTION.finditer(sentence)):
            kept.append(re.sub(OPTION.pattern, functools.partial(_renamed, names), sentence))
    return "".join(kept).strip() or NOTHING


def _of_chosen_group(key: str, keys: Collection[str], places: Mapping[str, str]) -> str | None:
    """An option of a group that the same sentence chooses, as in `weight=moco_v2 weight.path=FILE`, is there then."""
    group, dot, option = key.partition(".")
    return f"{places[group]}.{option}" if dot and group in keys and group in places else None


def full_name(key: str, *, known: Collection[str], places: Mapping[str, str], node: str = "") -> str | None:
    """The option that `key` stands for in this command, or None."""
    first, dot, rest = key.partition(".")
    moved = f"{places.get(first, first)}{dot}{rest}"
    if key in group_names() and key not in places and key not in known:
        return None  # a group of other commands; here a node of that name has no choices
    if key in places or moved in known or any(name.startswith(f"{moved}.") for name in known):
        return key if key in places else moved
    under = f"{node}.{key}"
    if under in known:
        return under
    others = [name for name in known if name.endswith(f".{key}")]
    return others[0] if len(others) == 1 else None


def _renamed(names: Mapping[str, str | None], found: re.Match[str]) -> str:
    return f"{names[found['key']]}={found['value']}"


def _is_choice(key: str, value: str, places: Mapping[str, str]) -> bool:
    """A group's value has a file, or stands for any (`...`)."""
    name = value.rstrip(".,:;)?")
    return key not in places or not name.isidentifier() or name == "null" or (config_folder() / key / f"{name}.yaml").is_file()


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A sentence with the nearest names, or with all of them where none is near and there are few."""
    names = sorted(set(known))
    if near := difflib.get_close_matches(name, names):
        return f"Did you mean {' or '.join(near)}?"
    return f"There are: {', '.join(names)}." if 0 < len(names) <= 40 else "See --cfg job for all keys."
