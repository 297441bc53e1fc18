"""What `--help` prints."""

from __future__ import annotations

import functools
import shlex

import pytest
from hydra import compose, initialize_config_dir

from vclr_pl.config_path import config_folder
from vclr_pl.runner.command_line import hydra_words, refuse_others_experiment, with_experiment_of_data
from vclr_pl.runner.command_options import command_options
from vclr_pl.runner.explanation import command_text
from vclr_pl.runner.help import OVERVIEW, help_lines, help_topic, print_help
from vclr_pl.runner.run import run
from vclr_pl.types import InputError

COMMANDS = sorted(path.stem for path in config_folder().glob("*.yaml"))
EXAMPLES = [(command, example) for command in COMMANDS for example, _ in command_text(command).examples]


@functools.cache
def options_of(command, *arguments):
    return command_options(command, arguments)


def lines_of(topic, *, command="train", arguments=(), width=100):
    return help_lines(topic, options=options_of(command, *arguments), width=width)


@pytest.mark.parametrize(
    ("arguments", "topic"),
    [
        (["--help"], OVERVIEW),
        (["-h"], OVERVIEW),
        (["--help=queue"], "queue"),
        (["--help", "queue.inter.length"], "queue.inter.length"),
        (["data.root=DIR", "--help", "objective/term", "seed=1"], "objective/term"),
        (["--help", "seed=1"], OVERVIEW),
        (["--help", "--cfg"], OVERVIEW),
        (["--hydra-help"], None),
        (["seed=1", "--cfg", "job"], None),
        ([], None),
    ],
)
def test_the_topic(arguments, topic):
    assert help_topic(arguments) == topic


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("width", [80, 100, 120])
def test_an_overview_fits_on_a_page(command, width):
    lines = lines_of(OVERVIEW, command=command, width=width)
    text = command_text(command)
    assert lines[0] == text.summary[: len(lines[0])]
    assert len(lines) <= (46 if width >= 100 else 56)
    assert [line for line in lines if len(line) > width] == []
    assert len(text.options) == 10
    assert len(text.examples) == 3
    for name in text.options:
        assert any(line.startswith(f"  {name}") for line in lines), name


@pytest.mark.parametrize(("command", "example"), EXAMPLES, ids=lambda value: value if value in COMMANDS else "")
def test_an_example_composes(command, example):
    program, module, name, *words = shlex.split(example)
    assert (program, module, name) == ("python", "-m", f"vclr_pl.{command}")
    words = with_experiment_of_data(words, config_name=command)
    refuse_others_experiment(words, config_name=command)
    with initialize_config_dir(config_dir=str(config_folder()), version_base="1.3"):
        compose(command, overrides=hydra_words(words, config_name=command))


def test_a_group_shows_choices_and_options():
    text = "\n".join(lines_of("data"))
    assert text.startswith("data: Videos of a benchmark")
    assert "  * data=folder " in text
    assert "    data=ucf101 " in text
    assert "Options of data=folder:\n  data.root (no default)" in text
    assert "(data=hmdb51, ucf101)" in text.split("Options of other choices:")[1]
    assert "Options of data=ucf101:\n" in "\n".join(lines_of("data", arguments=["data=ucf101", "experiment=ucf101"]))


def test_a_group_without_a_choice_shows_the_options_of_all():
    text = "\n".join(lines_of("weight"))
    assert "Choices (none is in use):" in text
    assert "Options of the choices:\n  weight.path (no default)" in text


def test_several_choices_at_once_show_the_options_of_each():
    lines = lines_of("evaluation", arguments=["evaluation=[retrieval,logistic_probe]"])
    assert {"Choices:", "Options:"} <= set(lines)
    assert any("measures.retrieval.ranks" in line for line in lines)
    assert any("measures.logistic_probe.tolerance" in line for line in lines)
    assert not any("linear_probe.regularization_c" in line for line in lines)


def test_a_group_has_the_commands_own_place():
    lines = lines_of("data", command="retrieve")
    assert lines == lines_of("gallery", command="retrieve")
    assert any(line.startswith("  gallery.root (no default)") for line in lines)
    assert any(line.startswith("  query.root=null") for line in lines_of("query", command="retrieve"))
    with pytest.raises(InputError, match="a group or an option of retrieve; got --help=queue"):
        lines_of("queue", command="retrieve")


def test_a_node_is_explained_before_its_options():
    lines = lines_of("queue")
    (node,) = [number for number, line in enumerate(lines) if line.startswith("  queue.segment ")]
    assert "segment contrast" in lines[node]
    assert any(line.startswith("  queue.segment.length=131072") for line in lines[node:])


def test_an_option_shows_what_experiments_make_of_it():
    assert lines_of("queue.inter.length") == [
        "queue.inter.length=131072",
        "  Keys in this queue. The default is that of queue.default.length.",
        "  768 with experiment=demo",
        "  See also --help=queue",
    ]
    rates = lines_of("optimizer.lr", command="finetune")
    assert "  0.025 with experiment=finetune/hmdb51_tsn" in rates
    assert not any(line.startswith("  0.01 ") for line in rates)  # the value that is shown already
    assert lines_of("max_epochs")[0] == "trainer.max_epochs=400"
    assert lines_of("seed", arguments=["seed=7"])[0] == "seed=7"


def test_single_nodes_have_choices():
    lines = lines_of("objective/term")
    assert lines[0] == "objective/term: files for single nodes. +objective/term@objective.terms.NAME=CHOICE adds one."
    assert any(line.startswith("  temporal_order ") for line in lines)


@pytest.mark.parametrize("topic", [*options_of("train").groups, "module", "callback.knn_monitor"])
@pytest.mark.parametrize("width", [80, 120])
def test_no_line_is_too_wide(topic, width):
    wide = [line for line in lines_of(topic, width=width) if len(line) > width]
    assert [line for line in wide if len(line.split()) > 1] == []


@pytest.mark.parametrize(("topic", "near"), [("queu", "queue"), ("queue.inter.lenght", "queue.inter.length"), ("sede", "seed")])
def test_an_unknown_name_is_one_line_with_the_nearest(topic, near, capsys):
    assert run(lambda config: None, config_name="train", arguments=[f"--help={topic}"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert line.startswith(f"error: expected a group or an option of train; got --help={topic}. Did you mean {near}")


def test_help_runs_nothing(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "90")
    ran = []
    assert run(ran.append, config_name="train", arguments=["--help=queue", "queue.inter.length=9"]) == 0
    out = capsys.readouterr().out
    assert "queue.inter.length=9" in out
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) <= 90
    assert (ran, list(tmp_path.iterdir())) == ([], [])


def test_the_overview_is_printed_beside_any_mistake(capsys):
    assert run(lambda config: None, config_name="check", arguments=["data=no_such", "--help"]) == 0
    assert capsys.readouterr().out.startswith(command_text("check").summary)


def test_the_width_is_that_of_the_terminal(capsys, monkeypatch):
    for columns, widest in (("20", 60), ("80", 80), ("500", 120)):
        monkeypatch.setenv("COLUMNS", columns)
        assert print_help("paths", config_name="check", arguments=[]) == 0
        assert widest - 12 < max(map(len, capsys.readouterr().out.splitlines())) <= widest


@pytest.mark.parametrize(
    ("command", "arguments", "word"),
    [
        ("train", (), "data/appearance"),
        ("train", ("experiment=demo",), "data/appearance"),
        ("retrieve", (), "data/appearance"),
        ("retrieve", ("data=demo",), "data/appearance"),
        ("localize", ("experiment=localize/demo",), "data/appearance@untrimmed.appearance"),
    ],
)
def test_a_group_within_a_group_is_chosen_as_a_whole(command, arguments, word):
    node = {"train": "data", "retrieve": "gallery", "localize": "untrimmed"}[command]
    lines = lines_of("data/appearance", command=command, arguments=tuple(hydra_words(arguments, config_name=command)))
    head = " ".join(lines[: lines.index("")])
    assert head == f"data/appearance: files for the node {node}.appearance. {word}=CHOICE chooses one."
    text = "\n".join(lines)
    assert all(f"data/appearance={name} " in text for name in ("default", "drawn", "gray", "thermal", "tiny"))
    assert f"{node}.appearance.copies=4" in text


def test_a_command_without_rendered_videos_has_no_appearance():
    with pytest.raises(InputError, match="a group or an option of convert"):
        lines_of("data/appearance", command="convert")
