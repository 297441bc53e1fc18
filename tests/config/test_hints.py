"""A hint is tried before it is given: what an error of the package advises exists in some command, and composes there."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf
from tests.architecture.source_tree import source_files

from vclr_pl.config_path import config_folder
from vclr_pl.runner.command_line import hydra_words
from vclr_pl.runner.composition import register_resolvers
from vclr_pl.runner.group import option_names, places_of_groups
from vclr_pl.runner.suggestion import OPTION, SENTENCE, fitted_hint

CONF = config_folder()
FILLED_IN = "X"  # stands for what a message computes
COMPUTED_KEY = re.compile(r"[\w.]*\bX\b[\w.]*=\S+")


def text_of(node: ast.expr, constants: dict[str, str]) -> str:
    """The text of an expression, as far as it is known without running it."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(part, constants) for part in node.values)
    if isinstance(node, ast.BinOp):
        return text_of(node.left, constants) + text_of(node.right, constants)
    return constants.get(node.id, FILLED_IN) if isinstance(node, ast.Name) else FILLED_IN


def hints() -> dict[tuple[str, str], str]:
    """(file, text) of every hint that names an option, each branch of a conditional one, and the class or function that raises it."""
    found = []
    for source in source_files():
        assignments = [node for node in source.tree.body if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)]
        constants = {node.targets[0].id: str(node.value.value) for node in assignments if isinstance(node.value, ast.Constant)}  # type: ignore[union-attr]
        calls = [(owner, node) for owner in source.tree.body for node in ast.walk(owner) if isinstance(node, ast.Call)]
        for owner, call in calls:
            if isinstance(call.func, ast.Name) and call.func.id in ("InputError", "Hints"):
                given = [keyword.value for keyword in call.keywords if keyword.arg not in ("expected", "got")]
                branches = [part for value in given for part in ((value.body, value.orelse) if isinstance(value, ast.IfExp) else (value,))]
                found += [(str(source), text_of(branch, constants), getattr(owner, "name", "_")) for branch in branches]
    plain = ((file, COMPUTED_KEY.sub("", text), owner) for file, text, owner in found)
    return {(file, text): owner for file, text, owner in plain if OPTION.search(text)}


RAISING = hints()
HINTS = list(RAISING)
IDS = [f"{Path(file).stem}-{number}" for number, (file, _) in enumerate(HINTS)]
VARIANTS = [
    *((path.stem, []) for path in sorted(CONF.glob("*.yaml"))),
    *(
        ("train", [choice])
        for choice in (
            "experiment=folder",
            "objective=seco",
            "objective=clip_contrast",
            "weight=moco_v2",
            "data=ucf101",
            "data=video_list",
            "data=activitynet",
            "data=demo_untrimmed",
            "backbone=timm",
            "parameter_groups=layerwise",
        )
    ),
    *(("finetune", [f"experiment=finetune/{name}"]) for name in ("ucf101_tsn", "ssv2_tsm", "activitynet_tsn", "folder")),
    ("localize", ["experiment=localize/demo"]),
    ("evaluate", ["evaluation=all"]),
    ("evaluate", ["evaluation=logistic_probe"]),
]


@pytest.fixture(autouse=True, scope="module")
def hydra_reads_conf() -> Iterator[None]:
    register_resolvers()
    with initialize_config_dir(config_dir=str(CONF), version_base="1.3"):
        yield


@functools.cache
def known_options(command: str, *overrides: str) -> tuple[str, ...]:
    return tuple(option_names(composed(command, *overrides)))


def placed(text: str, command: str, overrides: list[str], module: str, raising: str = "_") -> str:
    """The hint in the command's words; an option that several nodes have is that of the node made by what raises the error."""
    made = made_by(command, *overrides)
    owners = [raising, *(name for name, used in uses(module).items() if raising in used)]
    node = next((made[f"{dotted(module)}.{owner}"] for owner in owners if f"{dotted(module)}.{owner}" in made), "")
    return fitted_hint(text, known=known_options(command, *overrides), places=places_of_groups(command), node=node)


def dotted(file: str) -> str:
    return ".".join(Path(file).with_suffix("").parts).partition("src.")[2]


@functools.cache
def made_by(command: str, *overrides: str) -> dict[str, str]:
    """The node that each constructor of a command's config makes, by the constructor's dotted name."""
    found: dict[str, str] = {}

    def walk(value: object, place: str) -> None:
        if isinstance(value, dict):
            if "_target_" in value:
                found.setdefault(str(value["_target_"]), place)
            for key, part in value.items():
                walk(part, f"{place}.{key}" if place else str(key))

    walk(OmegaConf.to_container(composed(command, *overrides)), "")
    return found


@functools.cache
def composed(command: str, *overrides: str) -> DictConfig:
    return compose(command, overrides=["paths.run=run", *overrides] if "paths" in places_of_groups(command) else [*overrides])


@functools.cache
def uses(file: str) -> dict[str, set[str]]:
    """Which names of its own file each class or function of it uses, directly or through others."""
    tree = next(source.tree for source in source_files() if str(source) == file)
    owners = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    used = {name: {part.id for part in ast.walk(node) if isinstance(part, ast.Name)} & set(owners) for name, node in owners.items()}
    for _ in owners:
        used = {name: direct.union(*(used[other] for other in direct)) for name, direct in used.items()}
    return used


def advised(text: str) -> list[str]:
    return [f"{found['key']}={found['value'].rstrip('.,:;)')}" for found in OPTION.finditer(text)]


@pytest.mark.parametrize(("file", "text"), HINTS, ids=IDS)
def test_some_command_has_its_options(file, text):
    for sentence in SENTENCE.findall(text):
        fitted = [placed(sentence, command, overrides, file, RAISING[file, text]) for command, overrides in VARIANTS]
        assert len(advised(sentence)) in map(len, map(advised, fitted)), f"{file}: no command has the options of: {sentence}"


@pytest.mark.parametrize(("command", "overrides"), VARIANTS)
def test_what_a_command_advises_composes(command, overrides):
    """Values together, groups one by one; a group has its choices whatever else is chosen, so these once for each command."""
    options = [
        option
        for file, text in HINTS
        for option in advised(placed(text, command, overrides, file, RAISING[file, text]))
        if "..." not in option
    ]
    named = dict(option.split("=", 1) for option in options)
    groups = {key for key in named if key in places_of_groups(command)}
    known, places = known_options(command, *overrides), set(places_of_groups(command).values())
    chosen_with_group = {key for key in named if "." in key and key.partition(".")[0] in places and key not in known}
    values = [f"{key}={value}" for key, value in named.items() if key not in groups | chosen_with_group]
    for chosen in (values, *([option] for option in set(options) if option.split("=", 1)[0] in groups and not overrides)):
        others = [word for word in overrides if word.split("=", 1)[0] != chosen[0].split("=", 1)[0]] if chosen else overrides
        assert compose(command, overrides=hydra_words([*others, *chosen], config_name=command)) is not None


def test_hints_are_found():
    assert len(HINTS) > 60


@pytest.mark.parametrize(("file", "text"), HINTS, ids=IDS)
def test_every_command_that_constructs_what_raises_it_has_a_hint(file, text):
    raising, module = RAISING[file, text], dotted(file)
    raisers = {f"{module}.{name}" for name, used in uses(file).items() if name == raising or raising in used}
    for command, overrides in VARIANTS:
        if raisers & made_by(command, *overrides).keys():
            message = f"{command} {' '.join(overrides)} has no option of: {text}"
            assert advised(placed(text, command, overrides, file, raising)), message
