"""What README and docs tell a reader to type exists and composes."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from functools import cache

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf
from tests.documentation.documented_commands import DOCUMENTS, ROOT, Command, command_of_comment, commands, overrides

from vclr_pl.config_path import config_folder
from vclr_pl.runner.command_line import hydra_words

EVERY_COMMAND = [command for path in DOCUMENTS for command in commands(path.read_text(), document=path.name)]
OWN_CONFIGS = "--config-dir"  # a command with configs of a reader's own; tests/extension runs it
OURS = [command for command in EVERY_COMMAND if command.program != "make" and OWN_CONFIGS not in command.arguments]
HEADS = [
    command
    for path in sorted((ROOT / "conf").rglob("*.yaml"))
    for command in commands(f"`{command_of_comment(path.read_text())}`", document=path.relative_to(ROOT).as_posix())
]
EXPERIMENTS = sorted((path.stem for path in (ROOT / "conf" / "experiment").glob("*.yaml")), key=lambda name: name != "ucf101")
EVERY_OVERRIDE = sorted({override for path in DOCUMENTS for override in overrides(path.read_text())})


def jobs(arguments: tuple[str, ...]) -> Iterator[list[str]]:
    """The override lists of a command: one, or with `-m` one for each choice of the sweep."""
    flags = {"--cfg", "job"} if "--cfg" in arguments else set()
    words = [word for word in arguments if not word.startswith("-") and word not in flags]
    if "-m" not in arguments and "--multirun" not in arguments:
        yield words
        return
    parsed = OverridesParser.create().parse_overrides(words)
    choices = [
        [f"{override.get_key_element()}={value}" for value in override.sweep_string_iterator()] if override.is_sweep_override() else [word]
        for override, word in zip(parsed, words, strict=True)
    ]
    for choice in itertools.product(*choices):
        yield list(choice)


def choose(word: str) -> str:
    """`data=NAME` stands for any choice of the group; take the first."""
    key, _, value = word.partition("=")
    if not (value.isupper() and (config_folder() / key).is_dir()):
        return word
    return f"{key}={min((config_folder() / key).glob('*.yaml')).stem}"


@cache
def composed(program: str, words: tuple[str, ...]) -> DictConfig:
    with initialize_config_dir(config_dir=str(config_folder()), version_base="1.3"):
        return compose(config_name=program, overrides=hydra_words(words, config_name=program), return_hydra_config=True)


@pytest.mark.parametrize("command", [*OURS, *HEADS], ids=str)
def test_a_command_composes(command: Command):
    package = ROOT / "src" / "vclr_pl"
    assert (package / f"{command.program}.py").is_file() or (package / command.program / "__main__.py").is_file()
    for words in jobs(command.arguments):
        if command.program not in ("__main__", "report"):  # these have no config
            composed(command.program, tuple(map(choose, words)))


@pytest.mark.parametrize("command", [command for command in EVERY_COMMAND if command.program == "make"], ids=str)
def test_a_make_target_exists(command: Command):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {word for word in command.arguments if "=" not in word} <= targets


@pytest.mark.parametrize("override", EVERY_OVERRIDE)
def test_an_override_fits(override: str):
    """A group has the choice; a key stands in the config of one experiment at least, some being of one kind of data, or of one command."""
    key, _, value = override.partition("=")
    group = config_folder() / key.partition("@")[0]
    if group.is_dir():
        assert value == "null" or (group / f"{value}.yaml").is_file()
    else:
        parsed = OverridesParser.create().parse_override(override)
        trained = (composed("train", (f"experiment={experiment}", "data.root=DIR")) for experiment in EXPERIMENTS)
        chosen = (composed("train", (choice,)) for choice in ("backbone=timm", "logger=wandb"))
        others = itertools.chain(chosen, (composed(path.stem, ()) for path in sorted(config_folder().glob("*.yaml"))))
        assert any(has_key(config, parsed.get_key_element()) for config in itertools.chain(trained, others))


def has_key(config: DictConfig, key: str) -> bool:
    parent, _, last = key.rpartition(".")
    node = OmegaConf.select(config, parent) if parent else config
    return isinstance(node, DictConfig) and last in node


def test_the_documents_do_hold_commands():
    """An extraction that finds nothing would pass everything above."""
    assert len(OURS) >= 10
    assert {command.document for command in OURS} >= {"README.md", "data.md", "reproducing.md"}
    assert {"demo", "test"} <= {word for command in EVERY_COMMAND if command.program == "make" for word in command.arguments}
    assert len(EVERY_OVERRIDE) >= 10
    assert len(HEADS) >= 6


def test_commands_are_extracted():
    text = "Try `make demo` or:\n\n```bash\npython -m vclr_pl.train -m seed=0,1 \\\n    name=x  # both\nls\n```\nand `seed=1`, `a b`.\n"
    assert commands(text, document="x.md") == [
        Command("x.md", 4, "train", ("-m", "seed=0,1", "name=x")),
        Command("x.md", 0, "make", ("demo",)),
    ]
    assert overrides(text) == ["seed=1"]
    assert list(jobs(("-m", "seed=0,1", "name=x"))) == [["seed=0", "name=x"], ["seed=1", "name=x"]]
