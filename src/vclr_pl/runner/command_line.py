"""A command line as users write it, in the words that Hydra takes."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence

import yaml
from omegaconf import DictConfig, open_dict

from vclr_pl.config_path import config_folder
from vclr_pl.runner.schema import OVERLAYS
from vclr_pl.types import InputError

NULL = re.compile(r"(?P<group>[\w/]+)=(null|None)?")
WHOLE_NODE = re.compile(r"(?P<group>\w+)=(?P<node>\{.*\})", re.DOTALL)
ABSENT = re.compile(r"~(?P<removed>\w+)(=.*)?|(?P<null>\w+)=(null|None)?")
WITHOUT = ("logger", "page", "query", "video")  # what a command can do without, whatever its default
OPTION = re.compile(r"(?P<key>[+~]*[\w./@]+)=(?P<value>[^\"'\[{].*)", re.DOTALL)
GIVEN_NODES = "given_nodes"  # where nodes that replace a whole group travel through Hydra, which would merge them


def hydra_words(command: Sequence[str], *, config_name: str) -> list[str]:
    """The same command line for Hydra.

    `GROUP=null` becomes `~GROUP`; `GROUP={_target_: ...}` replaces the whole group (see `place_given_nodes`); a group that stands at
    another place in this command's config is chosen by its name alone; and names in other letters than English ones are quoted.
    """
    places = places_of_groups(config_name)
    return [_word(word, places=places) for word in command]


def refuse_absent(command: Sequence[str], *, config_name: str) -> None:
    """Ask for the groups and nodes that the command sets to null and cannot do without: those that its file gives a value.

    Raises:
        InputError: at the first, with the choices that there are.
    """
    content = yaml.safe_load((config_folder() / f"{config_name}.yaml").read_text())
    chosen = {group: choice for entry in content["defaults"] if isinstance(entry, dict) for group, choice in entry.items()}
    optional = {*WITHOUT, *OVERLAYS, *(group for group, choice in chosen.items() if choice is None)}
    nodes = {key for key, value in content.items() if isinstance(value, dict)}
    needed = {name for group in chosen for name in group.split("@")}.union(nodes).difference(optional, ("defaults",))
    for word in command:
        found = ABSENT.fullmatch(word)
        key = (found["removed"] or found["null"]) if found is not None else None
        if key in needed:
            choices = ", ".join(sorted(file.stem for file in (config_folder() / str(key)).glob("*.yaml")))
            raise InputError(
                expected=f"a value for {key}, which {config_name} needs",
                got=f"{key}=null",
                hint=f"Leave it out{f', or choose one of {choices}' if choices else ''}.",
            )


def place_given_nodes(config: DictConfig) -> None:
    """Put the nodes of `GROUP={...}` in the place of their groups."""
    if GIVEN_NODES in config:
        with open_dict(config):
            for group, node in config.pop(GIVEN_NODES).items():
                config[group] = node


@functools.cache
def places_of_groups(config_name: str) -> Mapping[str, str]:
    """Where each group of an entry point's file stands in its config: `data` at `gallery` in that of `retrieve`."""
    defaults = yaml.safe_load((config_folder() / f"{config_name}.yaml").read_text()).get("defaults", [])
    groups = [str(group) for entry in defaults if isinstance(entry, dict) for group in entry if not str(group).startswith("override ")]
    return {group.partition("@")[0]: group.partition("@")[2] or group for group in groups}


def _word(word: str, *, places: Mapping[str, str]) -> str:
    if (null := NULL.fullmatch(word)) is not None and (config_folder() / null["group"]).is_dir():
        return f"~{null['group']}"
    if (whole := WHOLE_NODE.fullmatch(word)) is not None and whole["group"] in places:
        return f"+{GIVEN_NODES}.{places[whole['group']]}={whole['node']}"
    option = OPTION.fullmatch(word)
    if option is None:
        return word
    key, value = option["key"], option["value"]
    place = places.get(key, key)
    key = key if place == key else f"{key}@{place}"
    return f"{key}={value}" if value.isascii() else f'{key}="{_escaped(value)}"'


def _escaped(value: str) -> str:
    """For double quotes of Hydra's grammar: a backslash counts only before a quote, the closing one included."""
    return re.sub(r'(\\*)"', r'\1\1\\"', re.sub(r"(\\+)$", r"\1\1", value))
