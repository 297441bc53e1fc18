"""A command line as users write it, as the words that Hydra takes: the first thing that a command does.

Nothing here imports torch or Lightning, whose import takes seconds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from omegaconf import DictConfig, open_dict

from vclr_pl.config_path import config_folder
from vclr_pl.runner.group import OVERLAYS, entry_file, places_of_groups
from vclr_pl.runner.suggestion import did_you_mean
from vclr_pl.types import InputError

NULL = re.compile(r"(?P<group>[\w/]+)=(null|None)?")
WHOLE_NODE = re.compile(r"(?P<group>\w+)=(?P<node>\{.*\})", re.DOTALL)
ABSENT = re.compile(r"~(?P<removed>[\w/]+)(=.*)?|(?P<null>[\w/]+)=(null|None)?")
WITHOUT = ("logger", "page", "query", "video")  # what a command can do without, whatever its default
OPTION = re.compile(r"(?P<key>[+~]*[\w./@]+)=(?P<value>[^\"'\[{].*)", re.DOTALL)
SWEEP_SWITCHES = ("-m", "--multirun")
DEMO_BY_DEFAULT = "train"  # the entry point that renders the demo where nothing is given
OWN_VIDEOS, FROM_WEIGHTS, DEMO = "folder", "continue", "demo"
FOLDERS = {"train": "", "finetune": "finetune/", "localize": "localize/"}  # of each command's experiments, in conf/experiment
GIVEN_NODES = "given_nodes"  # where nodes that replace a whole group travel through Hydra, which would merge them


def understood(command: Sequence[str], *, config_name: str) -> list[str]:
    """The command for Hydra, once the mistakes that Hydra would let pass are refused.

    Raises:
        InputError: a needed group is set to null, or the experiment is one of another command.
    """
    words = hydra_words(with_experiment_of_data(command, config_name=config_name), config_name=config_name)
    refuse_absent(words, config_name=config_name)
    refuse_others_experiment(words, config_name=config_name)
    return words


def hydra_words(command: Sequence[str], *, config_name: str) -> list[str]:
    """The same command line for Hydra.

    `GROUP=null` becomes `~GROUP`; `GROUP={_target_: ...}` replaces the whole group (see `place_given_nodes`); a group that stands at
    another place in this command's config is chosen by its name alone; names in other letters than English ones are quoted; and `-m`,
    which Hydra does not take between options, is the last word.
    """
    places = places_of_groups(config_name)
    switches = [word for word in command if word in SWEEP_SWITCHES]
    return [*(_word(word, places=places) for word in command if word not in SWEEP_SWITCHES), *switches]


def refuse_absent(command: Sequence[str], *, config_name: str) -> None:
    """Ask for the groups and nodes that the command sets to null and cannot do without: those that its file gives a value.

    Raises:
        InputError: at the first, with the choices that there are.
    """
    content = entry_file(config_name)
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


def with_experiment_of_data(command: Sequence[str], *, config_name: str) -> list[str]:
    """The command line with `experiment=NAME` for `data=NAME`, and `experiment=folder` for `data.root=DIR` alone and any other data.

    With `weight=NAME` it is `experiment=continue` in place of `experiment=folder`, the recipe for a start from good weights.
    """
    given = {key.lstrip("+~"): value for key, _, value in (word.partition("=") for word in command)}
    if config_name != DEMO_BY_DEFAULT or "experiment" in given or not given.keys() & {"data", "data.root"}:
        return list(command)
    known = {file.stem for file in (config_folder() / "experiment").glob("*.yaml")} - {OWN_VIDEOS}
    own = OWN_VIDEOS if given.get("weight", "null") in ("null", "None", "") else FROM_WEIGHTS
    data = given.get("data", "")
    rendered = data.partition("_")[0] == DEMO  # demo_large, demo_untrimmed and the like
    return [*command, f"experiment={data if data in known else DEMO if rendered else own}"]


def refuse_others_experiment(command: Sequence[str], *, config_name: str) -> None:
    """An experiment of this package is made for one command, which `finetune/` and `localize/` in its name say.

    Raises:
        InputError: it is of another command, or only its name without the folder was given.
    """
    if config_name not in FOLDERS:
        return
    folder, own = config_folder() / "experiment", FOLDERS[config_name]
    shipped = {file.relative_to(folder).with_suffix("").as_posix() for file in folder.rglob("*.yaml")}
    known = sorted(name for name in shipped if name.rpartition("/")[0] == own.rstrip("/"))
    given = [value for key, _, value in (word.partition("=") for word in command) if key == "experiment"]
    for name in (name for value in given for name in value.split(",")):
        if name not in known and (name in shipped or f"{own}{name}" in shipped):
            place = f"{own}{name.rpartition('/')[2]}"
            meant = f"Did you mean experiment={place}?" if place in known else did_you_mean(place, known)
            raise InputError(expected=f"an experiment of {config_name} ({', '.join(known)})", got=f"experiment={name}", hint=meant)


def place_given_nodes(config: DictConfig) -> None:
    """Put the nodes of `GROUP={...}` in the place of their groups."""
    if GIVEN_NODES in config:
        with open_dict(config):
            for group, node in config.pop(GIVEN_NODES).items():
                config[group] = node


def _word(word: str, *, places: Mapping[str, str]) -> str:
    if (null := NULL.fullmatch(word)) is not None and (config_folder() / null["group"]).is_dir():
        return f"~{null['group']}"
    if (whole := WHOLE_NODE.fullmatch(word)) is not None and whole["group"] in places:
        return f"+{GIVEN_NODES}.{places[whole['group']]}={whole['node']}"
    option = OPTION.fullmatch(word)
    if option is None:
        return word
    key, value = option["key"], option["value"]
    group, _, nested = key.partition("/")
    place = f"{places[group]}.{nested}" if nested and places.get(group, group) != group else places.get(key, key)
    key = key if place == key else f"{key}@{place}"
    return f"{key}={value}" if value.isascii() else f"{key}={quoted(value)}"


def quoted(value: str) -> str:
    """In double quotes of Hydra's grammar: a backslash counts only before a quote, the closing one included."""
    escaped = re.sub(r'(\\*)"', r'\1\1\\"', re.sub(r"(\\+)$", r"\1\1", value))
    return f'"{escaped}"'
