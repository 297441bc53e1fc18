"""`--help` of the commands: an overview, or with `--help=NAME` a group with its choices, a node, or one option.

It imports nothing but Hydra and composes the config without running the command, so that it answers quickly.
"""

from __future__ import annotations

import importlib.metadata
import platform
import re
import shutil
import textwrap
from collections.abc import Sequence

from vclr_pl.config_path import config_folder
from vclr_pl.runner.command_line import hydra_words, with_experiment_of_data
from vclr_pl.runner.command_options import CommandOptions, command_options
from vclr_pl.runner.explanation import ChoiceText, choice_keys, command_text, explained_keys
from vclr_pl.runner.group import OVERLAYS, group_names, places_of_groups
from vclr_pl.runner.suggestion import did_you_mean
from vclr_pl.types import InputError

OVERVIEW = ""
VERSION = ("--version", "-V")
NARROWEST, WIDEST, WITHOUT_TERMINAL = 60, 120, 100  # columns
LEFT_PERCENT, MOST_LEFT = 40, 36  # of the width, and columns, for names; the explanation of a longer one begins on the next line
Row = tuple[str, str]


def help_topic(arguments: Sequence[str]) -> str | None:
    """What a command line asks help for: OVERVIEW, the NAME of `--help=NAME` or `--help NAME`, or None for no help."""
    for position, word in enumerate(arguments):
        if word.startswith("--help="):
            return word.partition("=")[2]
        if word in ("--help", "-h"):
            following = arguments[position + 1] if position + 1 < len(arguments) else ""
            return following if re.fullmatch(r"\w[\w./]*", following) else OVERVIEW
    return None


def version_line() -> str:
    """The versions of this package, Python and torch, as `--version` prints them."""
    torch = importlib.metadata.version("torch")
    return f"vclr_pl {importlib.metadata.version('vclr-pl')}, Python {platform.python_version()}, torch {torch}"


def print_help(topic: str, *, config_name: str, arguments: Sequence[str]) -> int:
    """Print the help at the width of the terminal, and return the exit code 0.

    A group or an option has the values of the command line; the overview has the defaults, whatever else the command line says.

    Raises:
        InputError: the command has no group, node or option of that name.
    """
    width = min(WIDEST, max(NARROWEST, shutil.get_terminal_size((WITHOUT_TERMINAL, 24)).columns))
    words = [] if topic == OVERVIEW else hydra_words(with_experiment_of_data(arguments, config_name=config_name), config_name=config_name)
    options = command_options(config_name, words)
    print("\n".join(help_lines(topic, options=options, width=width)), flush=True)
    return 0


def help_lines(topic: str, *, options: CommandOptions, width: int) -> list[str]:
    """The lines of the help, each at most `width` columns where its words allow it."""
    if topic == OVERVIEW:
        return _overview(options, width=width)
    name = places_of_groups(options.name).get(topic, topic)
    if name in options.nested:
        return _nested_page(name, options=options, width=width)
    if name in options.groups:
        return _group_page(name, options=options, width=width)
    if name in options.values:
        return _option_page(name, options=options, width=width)
    if (place := _place_of_inner(name, options)) is not None:
        return _inner_page(name, place, options=options, width=width)
    if options.below(name):
        return [*_wrapped(_titled(name, options), width=width), "", *_table(_option_rows(name, options), width=width)]
    if found := [key for key in options.values if key.endswith(f".{topic}")]:
        return [line for key in found for line in _option_page(key, options=options, width=width)]
    known = [*options.groups, *options.groups.values(), *options.values, *(key for key in options.texts if options.below(key))]
    raise InputError(expected=f"a group or an option of {options.name}", got=f"--help={topic}", hint=did_you_mean(topic, known))


def _overview(options: CommandOptions, *, width: int) -> list[str]:
    text = command_text(options.name)
    top_level = {key for key in explained_keys(config_folder() / f"{options.name}.yaml") if "." not in key and key not in options.values}
    names = [*options.groups, *sorted(top_level.difference(options.groups))]
    more = [
        ("--help=GROUP", f"choices and options of a group: {' '.join(names)}"),
        ("--help=OPTION", f"one option, for example --help={[name for name in text.options if name in options.values][-1]}"),
        ("--cfg job", "the value of every option"),
        ("--hydra-help", "Hydra's own flags, for example -m for one run per value of seed=0,1,2"),
        ("Documentation", text.documents),
    ]
    return [
        *_wrapped(text.summary, width=width),
        "",
        *_wrapped(f"Usage: {text.usage}", width=width, indent="       "),
        *(line for paragraph in text.description for line in ("", *_wrapped(paragraph, width=width))),
        "",
        "Options used most, with their defaults:",
        *_table([(_default(name, options), options.texts[name]) for name in text.options], width=width, most_lines=2),
        "",
        "Examples:",
        *(line for command, purpose in text.examples for line in (f"  # {purpose}", *_command(command, width))),
        "",
        "More:",
        *_table(more, width=width),
    ]


def _default(name: str, options: CommandOptions) -> str:
    if name in options.groups:
        return f"{name}={options.in_words(options.chosen.get(name))}"
    return options.shown(name) if name in options.values else name


def _group_page(place: str, *, options: CommandOptions, width: int) -> list[str]:
    group, chosen = options.groups[place], options.chosen.get(place)
    choices = options.choices(group)
    rows = _option_rows(place, options)
    others = _rows_of_choices([name for name in choices if name != chosen], group=group, place=place, options=options)
    lines = [
        *_wrapped(_titled(place, options), width=width),
        "",
        "Choices (* is in use):" if chosen in choices else "Choices:" if rows else "Choices (none is in use):",
        *_table([(f"{'*' if name == chosen else ' '} {group}={name}", _described(text)) for name, text in choices.items()], width=width),
    ]
    if rows:
        lines += ["", f"Options of {group}={chosen}:" if chosen in choices else "Options:", *_table(rows, width=width)]
    if others:
        lines += ["", f"Options of {'other' if rows else 'the'} choices:", *_table(others, width=width)]
    return lines


def _nested_page(group: str, *, options: CommandOptions, width: int) -> list[str]:
    choices = options.choices(group)
    return [
        *_wrapped(f"{group}: files for single nodes. {options.nested[group]}=CHOICE adds one.", width=width),
        "",
        "Choices:",
        *_table([(name, _described(text)) for name, text in choices.items()], width=width),
        "",
        "Options of the choices:",
        *_table(_rows_of_choices(list(choices), group=group, place="", options=options), width=width),
    ]


def _place_of_inner(name: str, options: CommandOptions) -> str | None:
    """The node of a group within a group that is chosen as a whole: `data.appearance` of `data/appearance`; None for other names."""
    outer, _, inner = name.rpartition("/")
    if name not in group_names() or outer in OVERLAYS:
        return None
    chosen = next((place for place in options.chosen if place.endswith(f".{inner}")), None)
    places = places_of_groups(options.name)
    return chosen or (f"{places[outer]}.{inner}" if outer in places else None)


def _inner_page(group: str, place: str, *, options: CommandOptions, width: int) -> list[str]:
    """Help of a group inside a group. A command line may lack its node: `train` without data=demo has no `data.appearance`."""
    outer = places_of_groups(options.name).get(group.rpartition("/")[0])
    word = group if outer and place.startswith(f"{outer}.") else f"{group}@{place}"
    choices = options.choices(group)
    default = {f"{place}.{key}": explained for key, explained in choice_keys(group, next(iter(choices))).items()}
    rows = [(options.assignment(key, explained.value), explained.text) for key, explained in default.items()]
    return [
        *_wrapped(f"{group}: files for the node {place}. {word}=CHOICE chooses one.", width=width),
        "",
        "Choices:",
        *_table([(f"{group}={name}", _described(text)) for name, text in choices.items()], width=width),
        "",
        f"Options, with the values of {group}={next(iter(choices))}:",
        *_table(rows, width=width),
    ]


def _described(text: ChoiceText) -> str:
    return f"{text.text} (with {' '.join(text.partners)})" if text.partners else text.text


def _rows_of_choices(choices: Sequence[str], *, group: str, place: str, options: CommandOptions) -> list[Row]:
    """Options that the command line at hand does not have, each with the choices that have it."""
    if group in OVERLAYS:
        return []
    found: dict[Row, list[str]] = {}
    for choice in choices:
        for key, explained in choice_keys(group, choice).items():
            name = f"{place}.{key}".removeprefix(".")
            if not isinstance(explained.value, dict) and name not in options.values:
                found.setdefault((options.assignment(name, explained.value), explained.text), []).append(choice)
    return [
        (name, text if len(having) == len(choices) else f"{text} ({group}={', '.join(having)})") for (name, text), having in found.items()
    ]


def _option_page(key: str, *, options: CommandOptions, width: int) -> list[str]:
    """The option, its explanation, the experiments that set it to another value, and its group."""
    lines = [options.shown(key), *_wrapped(options.explanation(key), width=width, first="  ")]
    others: dict[str, list[str]] = {}
    for name in options.choices("experiment") if "experiment" in options.groups else ():
        keys = explained_keys(config_folder() / "experiment" / f"{name}.yaml")
        if key in keys and keys[key].value != options.values[key]:
            others.setdefault(options.in_words(keys[key].value), []).append(name)
    for value, names in others.items():
        lines += _wrapped(f"{value} with experiment={', '.join(names)}", width=width, first="  ", indent="    ")
    part = key.partition(".")[0]
    return [*lines, f"  See also --help={part}"] if part != key else lines


def _option_rows(place: str, options: CommandOptions) -> list[Row]:
    """The options below a place; a node with an explanation has a row before its options."""
    rows: list[Row] = []
    headed = {place}
    for key in options.below(place):
        parts = key.split(".")
        for node in (".".join(parts[:length]) for length in range(place.count(".") + 2, len(parts))):
            if node not in headed and options.texts.get(node):
                rows.append((node, options.texts[node]))
            headed.add(node)
        rows.append((options.shown(key), options.explanation(key)))
    return rows


def _titled(place: str, options: CommandOptions) -> str:
    return f"{place}: {options.texts[place]}" if options.texts.get(place) else place


def _table(rows: Sequence[Row], *, width: int, most_lines: int = 99) -> list[str]:
    """Names on the left, explanations on the right, or below the names where many names are long."""
    limit = min(MOST_LEFT, width * LEFT_PERCENT // 100)
    long_names = sum(len(name) > limit for name, _ in rows)
    left = 2 if 3 * long_names > len(rows) else min(limit, max((len(name) for name, _ in rows), default=0))
    lines = []
    for name, text in rows:
        right = _fitting(text, width=width - left - 4, most_lines=most_lines)
        beside = right[:1] if len(name) <= left else []
        lines += [f"  {name:{left}}  {''.join(beside)}".rstrip(), *(f"{' ' * (left + 4)}{line}" for line in right[len(beside) :])]
    return lines


def _fitting(text: str, *, width: int, most_lines: int) -> list[str]:
    """The text wrapped, without its last sentences where it has too many lines."""
    sentences = re.split(r"(?<=\.) (?=\S)", text)
    while len(sentences) > 1 and len(_wrapped(" ".join(sentences), width=width)) > most_lines:
        sentences.pop()
    return _wrapped(" ".join(sentences), width=width)


def _wrapped(text: str, *, width: int, first: str = "", indent: str = "") -> list[str]:
    return textwrap.wrap(
        text, width, initial_indent=first, subsequent_indent=indent or first, break_long_words=False, break_on_hyphens=False
    )


def _command(command: str, width: int) -> list[str]:
    """A command line, continued with backslashes where it is too long."""
    lines = _wrapped(command, width=width - 2, first="  ", indent="      ")
    return [*(f"{line} \\" for line in lines[:-1]), lines[-1]]
