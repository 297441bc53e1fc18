"""Every option of every file in conf/ has an explanation, and every choice says what it is and for which command."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vclr_pl.config_path import config_folder
from vclr_pl.runner.command_options import REFERENCE, command_options
from vclr_pl.runner.explanation import Explained, choice_keys, choice_text, explained_groups, explained_keys, head

CONF = config_folder()
COMMANDS = sorted(path.stem for path in CONF.glob("*.yaml"))
GROUP_FILES = sorted(path for path in CONF.rglob("*.yaml") if path.parent != CONF and path.relative_to(CONF).parts[0] != "hydra")
SETTINGS = [path for path in GROUP_FILES if path.relative_to(CONF).parts[0] not in ("experiment", "debug")]
EXPERIMENTS = [path.relative_to(CONF / "experiment").with_suffix("").as_posix() for path in sorted((CONF / "experiment").rglob("*.yaml"))]
NODES = {group.rpartition("@")[2] for name in COMMANDS for group in explained_groups(CONF / f"{name}.yaml")} | {
    key for name in COMMANDS for key, found in explained_keys(CONF / f"{name}.yaml").items() if isinstance(found.value, dict)
}
RIDDLES = re.compile(r"\b(at hand|to be had|strangers?|is told|speaks?|bears?|stands?|stay away|lives?|no number|surely meant)\b")


def relative(path: Path) -> str:
    return path.relative_to(CONF).as_posix()


def unexplained(keys: dict[str, Explained]) -> list[str]:
    """Options without a comment. A key that passes a whole node on, as `queue: ${queue}`, is no option."""
    return [key for key, found in keys.items() if not found.text and not isinstance(found.value, dict) and not passes_a_node(found.value)]


def passes_a_node(value: object) -> bool:
    reference = REFERENCE.fullmatch(str(value))
    return reference is not None and reference["key"] in NODES


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_of_a_command_is_explained(command):
    file = CONF / f"{command}.yaml"
    assert unexplained(dict(explained_keys(file))) == []
    assert [group for group, text in explained_groups(file).items() if not text] == []


@pytest.mark.parametrize("path", SETTINGS, ids=relative)
def test_every_option_of_a_group_is_explained(path):
    keys = choice_keys(path.parent.relative_to(CONF).as_posix(), path.stem)
    assert unexplained(dict(keys)) == []


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_what_an_experiment_sets_is_explained(experiment):
    """Where the option is defined; the experiment changes its value alone."""
    command = experiment.split("/")[0] if "/" in experiment else "train"
    options = command_options(command, [f"experiment={experiment}"])
    assert [key for key, value in options.values.items() if not options.texts.get(key) and not passes_a_node(value)] == []
    changed = [
        key for key, found in explained_keys(CONF / "experiment" / f"{experiment}.yaml").items() if not isinstance(found.value, dict)
    ]
    assert changed
    assert [key for key in changed if not options.texts[key]] == []


@pytest.mark.parametrize("path", [*SETTINGS, *(CONF / f"{name}.yaml" for name in COMMANDS)], ids=relative)
def test_an_explanation_is_a_plain_sentence(path):
    texts = [found.text for found in explained_keys(path).values() if found.text]
    texts += explained_groups(path).values() if path.parent == CONF else []
    assert [text for text in texts if not text.endswith(".")] == []
    assert [text for text in [*texts, *head(path)] if RIDDLES.search(text)] == []


@pytest.mark.parametrize("path", GROUP_FILES, ids=relative)
def test_a_choice_says_what_it_is(path):
    text = choice_text(path)
    assert len(text.text.split()) >= 2
    assert set(text.commands) <= set(COMMANDS)
    for partner in text.partners:
        group, _, choice = partner.partition("=")
        assert (CONF / group / f"{choice}.yaml").is_file()


@pytest.mark.parametrize("command", COMMANDS)
def test_the_choices_of_a_command_are_made_for_it(command):
    options = command_options(command, [])
    for place, group in options.groups.items():
        chosen = options.chosen.get(place)
        assert chosen is None or chosen in options.choices(group), f"{group}={chosen} is not made for {command}"


def test_a_missing_explanation_is_found(tmp_path):
    file = tmp_path / "queue.yaml"
    file.write_text("# queue=tiny: a queue\na: 1\nb: 2 # Explained.\nc:\n  d: 3\n  # Explained.\n  e: 4\nbackbone: ${backbone}\n")
    assert unexplained(dict(explained_keys(file))) == ["a", "c.d"]
