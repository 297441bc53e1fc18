"""Explanations of options, read from conf/: the comment on or above an option's line, and the comment at the head of each file."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from vclr_pl.config_path import config_folder

CHOICE = re.compile(r"(?P<words>[^:]+?)(?: \((?P<commands>[\w, ]+)\))?: (?P<text>.*)")  # `page=default (train): text`
GAP = "     "  # between a command and what it does
TITLES = ("Options", "Examples", "Docs")  # of paragraphs in the head of a command's file
CALL = re.compile(r"_\w+_")  # `_target_` and the like: how Hydra calls, no option

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where PyYAML was built with LibYAML


@dataclass(frozen=True, kw_only=True)
class Explained:
    """One key of a YAML file: its comment ("" without one) and its value, with interpolations as they are written."""

    text: str
    value: Any


@dataclass(frozen=True, kw_only=True)
class CommandText:
    """The head of conf/<command>.yaml.

    Args:
        usage: the command line.
        summary: what the command does, in one sentence.
        description: further paragraphs.
        options: names of the options used most.
        examples: pairs of a command line and what it does.
        documents: pages of the documentation.
    """

    usage: str
    summary: str
    description: tuple[str, ...]
    options: tuple[str, ...]
    examples: tuple[tuple[str, str], ...]
    documents: str


@dataclass(frozen=True, kw_only=True)
class ChoiceText:
    """The head of conf/<group>/<choice>.yaml.

    Args:
        text: what the choice is.
        partners: choices of other groups that belong to it, as `sampling=clips`.
        commands: that the choice is made for; empty means all.
    """

    text: str
    partners: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()

    def serves(self, config_name: str) -> bool:
        return not self.commands or config_name in self.commands


@functools.cache
def explained_keys(path: Path) -> Mapping[str, Explained]:
    """The keys of a YAML file by dotted name, in order, nodes before their children. A list is one value."""
    root, lines = _parsed(path)
    return dict(_keys(root, yaml.load("\n".join(lines), Loader=LOADER), lines=lines, prefix=""))


@functools.cache
def explained_groups(path: Path) -> Mapping[str, str]:
    """The comment of each group in the `defaults` list of a file, by the name that stands there, as `data@gallery`."""
    root, lines = _parsed(path)
    pairs = [pair for entry in _defaults(root) if isinstance(entry, yaml.MappingNode) for pair in entry.value]
    return {key.value: _comment(key, value, lines, column=2) for key, value in pairs if not key.value.startswith("override ")}


def choice_keys(group: str, choice: str) -> Mapping[str, Explained]:
    """The keys of conf/<group>/<choice>.yaml and of the files of the same group that it extends; comments are inherited."""
    path = config_folder() / group / f"{choice}.yaml"
    keys: dict[str, Explained] = {}
    for parent in _parents(path):
        keys |= choice_keys(group, parent)
    for key, found in explained_keys(path).items():
        inherited = keys[key].text if key in keys else ""
        keys[key] = Explained(text=found.text or inherited, value=found.value)
    return keys


def _parents(path: Path) -> list[str]:
    """The names that stand alone in the `defaults` list: files of the same group."""
    return [entry.value for entry in _defaults(_parsed(path)[0]) if isinstance(entry, yaml.ScalarNode) and entry.value != "_self_"]


def _defaults(root: yaml.MappingNode) -> list[yaml.Node]:
    return next((list(value.value) for key, value in root.value if key.value == "defaults"), [])


def command_text(config_name: str) -> CommandText:
    """The head of conf/<config_name>.yaml: usage and summary, paragraphs, and the paragraphs Options, Examples and Docs."""
    first, *others = "\n".join(head(config_folder() / f"{config_name}.yaml")).split("\n\n")
    usage, _, summary = " ".join(first.splitlines()).partition(GAP)
    titled = {title: content for title, _, content in (part.partition(":") for part in others) if title in TITLES}
    return CommandText(
        usage=usage,
        summary=summary.strip(),
        description=tuple(" ".join(part.split()) for part in others if part.partition(":")[0] not in TITLES),
        options=tuple(titled["Options"].split()),
        examples=tuple(_example(line) for line in titled["Examples"].strip().splitlines()),
        documents=titled["Docs"].strip(),
    )


def choice_text(path: Path) -> ChoiceText:
    """The head of a group's file: `group=choice (commands): text`, or, in an experiment, `command     text`."""
    line = " ".join(head(path))
    found = CHOICE.fullmatch(line)
    if GAP in line or found is None:
        return ChoiceText(text=line.rpartition(GAP)[2].strip())
    partners = [word for word in found["words"].split()[1:] if re.fullmatch(r"\w+=\w+", word)]
    return ChoiceText(text=found["text"], partners=tuple(partners), commands=tuple(re.findall(r"\w+", found["commands"] or "")))


def head(path: Path) -> list[str]:
    """The comment lines at the beginning of a file, without `#`; `# @package` left out."""
    lines = path.read_text().splitlines()
    return [line.removeprefix("#").removeprefix(" ") for line in lines[: _head_length(lines)] if not line.startswith("# @package")]


def _head_length(lines: list[str]) -> int:
    return next((number for number, line in enumerate(lines) if not line.startswith("#")), len(lines))


def _example(line: str) -> tuple[str, str]:
    command, _, purpose = line.partition("  # ")
    return command.strip(), purpose.strip()


def _parsed(path: Path) -> tuple[yaml.MappingNode, list[str]]:
    text = path.read_text()
    root = yaml.compose(text, Loader=LOADER)
    assert isinstance(root, yaml.MappingNode), f"{path} is not a mapping"
    return root, text.splitlines()


def _keys(node: yaml.MappingNode, content: Mapping[str, Any], *, lines: list[str], prefix: str) -> Iterator[tuple[str, Explained]]:
    for key, value in node.value:
        if CALL.fullmatch(key.value) or (not prefix and key.value in ("defaults", "hydra")):
            continue
        name = f"{prefix}{key.value}"
        child = content[key.value]
        yield name, Explained(text=_comment(key, value, lines, column=key.start_mark.column), value=child)
        if isinstance(value, yaml.MappingNode):
            yield from _keys(value, child, lines=lines, prefix=f"{name}.")


def _comment(key: yaml.Node, value: yaml.Node, lines: list[str], *, column: int) -> str:
    """The comment lines directly above the key's line that begin in `column`, then the comment behind the value."""
    first = last = key.start_mark.line
    beginning = f"{' ' * column}# "
    while first > _head_length(lines) and lines[first - 1].startswith(beginning):
        first -= 1
    above = [line.removeprefix(beginning) for line in lines[first:last]]
    is_block = isinstance(value, yaml.CollectionNode) and not value.flow_style
    end = key.end_mark if is_block else value.end_mark
    behind = lines[end.line][end.column :].partition("# ")[2]
    return " ".join([*above, *([behind] if behind else [])])
