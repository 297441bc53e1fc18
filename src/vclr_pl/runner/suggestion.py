"""What the user probably meant: the nearest known name, and hints with the option names of the command.

The code that finds a mistake knows an option's short name; the runner knows its full key in this command.
"""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from vclr_pl.config_path import config_folder
from vclr_pl.runner.group import group_names

# not an argument of Python's, as in `f(..., a=1)`, and not one of another program's, as in `--a=1`
OPTION = re.compile(r"(?<![\w.@/-])(?<!\.\.\., )(?P<key>[a-z_][\w./]*)=(?P<value>\.\.\.|[^\s,;.)]\S*)")
SENTENCE = re.compile(r"[^.]+(?:\.(?!\s|$)[^.]*)*\.?\s*")
MOST_NAMES = 3
MOST_DOTS = 1  # deeper options, such as callback.broken_videos.path, are seldom meant
MEANINGS = {  # words that people use for options of other names
    "size": ("size_pixels", "crop_pixels"),
    "resolution": ("size_pixels", "crop_pixels"),
    "learning_rate": ("lr",),
    "epochs": ("max_epochs",),
    "gpus": ("devices",),
    "path": ("root",),
}
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
    """A sentence with the nearest names, or with all of them where none is near and there are few.

    An option of the same last part in another group is nearest: `transform.size_pixels` for `data.size`. Then come similar spellings.
    """
    names = sorted(set(known))
    if near := _same_end(name, names) or _near(name, names):
        return f"Did you mean {' or '.join(near)}?"
    return f"There are: {', '.join(names)}." if 0 < len(names) <= 40 else "See --cfg job for all keys."


def _same_end(name: str, names: Iterable[str]) -> list[str]:
    """Options of other groups whose last part is that of `name`; those nearest to the root of the config first."""
    group, _, last = name.rpartition(".")
    found = [one for one in names if one.rpartition(".")[2] == last and one.rpartition(".")[0] != group]
    return sorted((one for one in found if one.count(".") <= MOST_DOTS), key=lambda one: (one.count("."), one))[:MOST_NAMES]


def _near(name: str, names: Sequence[str]) -> list[str]:
    """Options that MEANINGS gives for the last part of `name`; else names that are spelled alike, without the group that `name` begins
    with, and options whose last part has the word of `name`.
    """
    alike = [one for one in difflib.get_close_matches(name, names) if not name.startswith(f"{one}.")]
    word = name.rpartition(".")[2]
    meanings = MEANINGS.get(word, ())
    meant = [one for last in meanings for one in names if one.rpartition(".")[2] == last and one.count(".") <= MOST_DOTS]
    if meant:
        return meant[:MOST_NAMES]
    with_word = [one for one in names if word in one.rpartition(".")[2].split("_") and one.count(".") <= MOST_DOTS]
    by_place = sorted(with_word, key=lambda one: (one.rpartition(".")[2].split("_").index(word), one.count("."), one))
    return list(dict.fromkeys([*alike, *by_place]))[:MOST_NAMES]
