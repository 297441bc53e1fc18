"""Lists of which no video can be read: one line with the first cause and the file that holds the others, of every command."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.file_size_limit import small_files
from tests.unit.data.annotated import entry, write_annotations
from tests.video_fixture import write_broken, write_video

from vclr_pl.compare import compare
from vclr_pl.embed import embed
from vclr_pl.evaluate import evaluate
from vclr_pl.finetune import finetune
from vclr_pl.localize import localize
from vclr_pl.retrieve import retrieve
from vclr_pl.runner.run import run
from vclr_pl.train import train
from vclr_pl.visualize import visualize

NETWORK = ["backbone=small_resnet", "backbone.widths=[8,16]"]
LOADING = ["trainer=cpu", "loader.workers=0"]
SMALL_TRAINING = ["loader.batch_size=2", "transform.size_pixels=32", "trainer.max_epochs=1", *LOADING, *NETWORK]
RANDOM = ["encoder=random", *NETWORK]
COMMANDS: dict[str, tuple[Callable[..., None], str, list[str]]] = {
    "train": (train, "train", ["experiment=folder", "data.root={set}", "evaluation.enabled=false", *SMALL_TRAINING]),
    "train, which evaluates first": (train, "train", ["experiment=folder", "data.root={set}", *SMALL_TRAINING]),
    "finetune": (finetune, "finetune", ["data.root={set}", "data=folder", *RANDOM, *SMALL_TRAINING]),
    "finetune, at its test": (finetune, "finetune", ["data.root={tested}", "data=folder", *RANDOM, *SMALL_TRAINING]),
    "evaluate": (evaluate, "evaluate", ["data.root={set}", *RANDOM, *LOADING]),
    "compare": (compare, "compare", ["data.root={set}", "encoders=[random]", *NETWORK, *LOADING]),
    "embed": (embed, "embed", ["data.root={set}", *RANDOM, *LOADING]),
    "retrieve": (retrieve, "retrieve", ["gallery.root={set}", *RANDOM, *LOADING]),
    "localize": (localize, "localize", ["untrimmed.root={set}", "untrimmed.annotations={annotations}", *RANDOM, *LOADING]),
    "visualize": (visualize, "visualize", ["data.root={set}", *RANDOM]),
}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """`set`: two classes, no video can be read; `tested`: only its test list is so."""
    folder = tmp_path_factory.mktemp("broken")
    for name in ("one/a", "one/b", "two/c", "two/d"):
        write_broken(folder / "set" / f"{name}.mp4")
        write_video(folder / "tested" / "train" / f"{name}.mp4", frames=12)
        write_broken(folder / "tested" / "test" / f"{name}.mp4")
    database = {name: entry(subset, 1.0, annotations=[{"label": "run", "segment": [0.2, 0.7]}]) for name, subset in SUBSETS.items()}
    write_annotations(folder / "annotations.json", database)
    return {"set": folder / "set", "tested": folder / "tested", "annotations": folder / "annotations.json"}


SUBSETS = {"a": "training", "b": "training", "c": "training", "d": "validation"}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_line_gives_the_first_cause_and_the_file_of_the_others(
    name: str, places: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    task, config_name, arguments = COMMANDS[name]
    here = [f"paths.data={tmp_path / 'data'}", f"paths.runs={tmp_path / 'runs'}", f"hydra.run.dir={tmp_path / 'run'}"]
    assert run(task, config_name=config_name, arguments=[*(part.format(**places) for part in arguments), *here]) == 2
    error = capsys.readouterr().err
    (line,) = (line for line in error.splitlines() if line.startswith("error: "))
    assert re.search(r"got none, \d failed, the first is '.*\.mp4' \(pyav: Invalid data", line)
    found = re.search(r"listed in (.*)\.$", line)
    assert found is not None
    with Path(found.group(1)).open(newline="") as file:
        listed = list(csv.DictReader(file))
    told = re.search(r"none, (\d) failed", line)
    assert told is not None
    assert len(listed) == int(told.group(1)) > 1
    assert {line["backend"] for line in listed} == {"pyav"}
    assert all(line["reason"].startswith("Invalid data") for line in listed)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.parametrize(("name", "workers"), [("embed", 0), ("embed", 1), ("evaluate", 0), ("train", 1), ("finetune", 0)])
def test_where_the_machine_lacks_what_decoding_needs_no_video_is_called_broken(
    name: str, workers: int, places: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    task, config_name, arguments = COMMANDS[name]
    here = [f"paths.data={tmp_path / 'data'}", f"paths.runs={tmp_path / 'runs'}", f"hydra.run.dir={tmp_path / 'run'}"]
    options = [*(part.format(**places) for part in arguments), f"loader.workers={workers}"]
    with small_files():
        assert run(task, config_name=config_name, arguments=[*options, *here]) == 2
    assert "error: expected a process for decoding, and shared memory; got File too large. Raise" in capsys.readouterr().err


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_where_all_are_late_another_try_is_advised(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    task, config_name, arguments = COMMANDS["embed"]
    for name in ("a", "b"):
        write_broken(tmp_path / "set" / name / "hang.mp4")
    late = ["decoding.decoder._target_=tests.unit.video.test_readability.SpitefulDecoder", "decoding.decode_timeout_seconds=0.3"]
    here = [f"paths.data={tmp_path / 'data'}", f"hydra.run.dir={tmp_path / 'run'}"]
    assert run(task, config_name=config_name, arguments=[*(part.format(set=tmp_path / "set") for part in arguments), *late, *here]) == 2
    (line,) = (line for line in capsys.readouterr().err.splitlines() if line.startswith("error: "))
    assert "no answer within 0.3 s" in line
    assert "The files may be intact: fix the cause, then repeat the command." in line
    assert "Replace" not in line
