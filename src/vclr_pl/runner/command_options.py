"""The options of a command line with their values and explanations, composed without running the command."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from vclr_pl.config_path import config_folder
from vclr_pl.runner.command_line import DEMO_BY_DEFAULT, FOLDERS, OWN_VIDEOS
from vclr_pl.runner.explanation import ChoiceText, choice_keys, choice_text, explained_groups, explained_keys
from vclr_pl.runner.group import OVERLAYS, option_names, places_of_groups
from vclr_pl.runner.schema import MISSING

REFERENCE = re.compile(r"\$\{(?P<key>[\w.]+)\}")
RESOLVER = re.compile(r"\$\{[\w.]+:")
NO_DEFAULT, COMPUTED = "(no default)", "(computed)"


@dataclass(frozen=True, kw_only=True)
class CommandOptions:
    """What a command line composes.

    Args:
        name: of the command.
        values: of the options by dotted name, in order, with interpolations as they are written.
        texts: explanations of options, nodes and groups by dotted name.
        chosen: the choice of each group by the group's place in the config, as `{"gallery": "folder"}`.
        nested: groups within groups, each with an override that adds a node: `{"objective/term": "+objective/term@objective.terms.NAME"}`.
    """

    name: str
    values: Mapping[str, Any]
    texts: Mapping[str, str]
    chosen: Mapping[str, str | None]
    nested: Mapping[str, str]

    @functools.cached_property
    def groups(self) -> Mapping[str, str]:
        """Groups by place, as `{"gallery": "data"}`."""
        return {place: group for group, place in places_of_groups(self.name).items()}

    def below(self, name: str) -> list[str]:
        """The options of a node, or the option of that name."""
        return [key for key in self.values if key == name or key.startswith(f"{name}.")]

    def shown(self, key: str) -> str:
        """`key=value`, as the command line takes it."""
        return self.assignment(key, self.values[key])

    def assignment(self, key: str, value: Any) -> str:
        return f"{key} {NO_DEFAULT}" if value == MISSING else f"{key}={self.in_words(value)}"

    def in_words(self, value: Any) -> str:
        """A value as the command line takes it. References are followed; what a resolver computes is COMPUTED."""
        if isinstance(value, str) and (reference := REFERENCE.fullmatch(value)) is not None:
            return self.in_words(self.values[reference["key"]]) if reference["key"] in self.values else value
        if isinstance(value, list):
            return f"[{','.join(map(self.in_words, value))}]"
        if value is None or isinstance(value, bool):
            return {None: "null", True: "true", False: "false"}[value]
        return "{...}" if isinstance(value, dict) else COMPUTED if RESOLVER.search(str(value)) else str(value)

    def explanation(self, key: str) -> str:
        """The option's text, and where its value comes from if it is a reference."""
        reference = REFERENCE.fullmatch(str(self.values[key]))
        source = ""
        if reference is not None:
            source = f"The default is that of {reference['key']}." if reference["key"] in self.values else f"Taken from {reference['key']}."
        return " ".join(part for part in (self.texts.get(key, ""), source) if part)

    def choices(self, group: str) -> dict[str, ChoiceText]:
        """The choices of a group by name, those made for other commands left out."""
        folder = FOLDERS.get(self.name, "") if group == "experiment" else ""
        found = {f"{folder}{path.stem}": choice_text(path) for path in sorted((config_folder() / group / folder).glob("*.yaml"))}
        return {name: text for name, text in found.items() if text.serves(self.name)}


def command_options(config_name: str, arguments: Sequence[str]) -> CommandOptions:
    """The options of a command line. Values to sweep over, as in `seed=0,1`, do not count.

    `train` without data or experiment runs the demo, but has the values of `data.root=DIR` here: those are the defaults of most runs.
    """
    words = [word for word in arguments if "=" in word and not word.startswith("-")]
    parsed = OverridesParser.create().parse_overrides(words)
    overrides = [word for word, override in zip(words, parsed, strict=True) if not override.is_sweep_override()]
    is_demo = config_name == DEMO_BY_DEFAULT and not any(word.startswith("experiment=") for word in overrides)
    overrides += [f"experiment={OWN_VIDEOS}"] if is_demo else []
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(config_dir=str(config_folder()), version_base="1.3"):
        config = hydra.compose(config_name, overrides=overrides, return_hydra_config=True)
    choices: dict[str, str | None] = dict(config.hydra.runtime.choices)
    OmegaConf.set_struct(config, False)
    del config["hydra"]
    content: Any = OmegaConf.to_container(config, resolve=False)
    chosen = {name.rpartition("@")[2]: choice for name, choice in choices.items()}
    return CommandOptions(
        name=config_name,
        values={key: functools.reduce(lambda node, part: node[part], key.split("."), content) for key in option_names(config)},
        texts=_texts(config_name, choices),
        chosen=chosen | ({"experiment": "demo"} if is_demo else {}),
        nested=_nested(choices),
    )


def _texts(config_name: str, choices: Mapping[str, str | None]) -> dict[str, str]:
    """Explanations in the command's file, then in the files that are chosen; of a group that in the command's list of groups."""
    file = config_folder() / f"{config_name}.yaml"
    texts = {key: found.text for key, found in explained_keys(file).items()}
    for name, choice in choices.items():
        group, _, place = name.partition("@")
        if group.split("/")[0] not in OVERLAYS and (config_folder() / group / f"{choice}.yaml").is_file():
            found = {
                f"{place or group.replace('/', '.')}.{key}": explained.text for key, explained in choice_keys(group, str(choice)).items()
            }
            texts |= {key: text for key, text in found.items() if text}
    return texts | {name.rpartition("@")[2]: text for name, text in explained_groups(file).items()}


def _nested(choices: Mapping[str, str | None]) -> dict[str, str]:
    """Of the places of a nested group, the one that is named after its choice is the example.

    A group whose place has its own name, as `data/appearance@untrimmed.appearance`, is chosen as a whole and adds no nodes.
    """
    found: dict[str, str] = {}
    for name, choice in choices.items():
        group, _, place = name.partition("@")
        node, _, last = place.rpartition(".")
        if "/" in group and place and last != group.rpartition("/")[2] and (last == choice or group not in found):
            found[group] = f"+{group}@{node}.NAME"
    return found
