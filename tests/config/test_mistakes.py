"""A user's mistakes: one line on stderr that names what was expected, what came and what to do, and exit code 2."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from vclr_pl.runner.run import run
from vclr_pl.train import train

TINY = [
    "data.train_videos_per_class=1",
    "data.test_videos_per_class=1",
    "data.frames=6",
    "data.size_pixels=32",
    "transform.size_pixels=32",
    "backbone.widths=[8,16]",
    "loader.workers=0",
    "loader.batch_size=2",
    "trainer=cpu",
    "trainer.precision=32-true",
    "evaluation.enabled=false",
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mistakes") / "data"


def line_of(capfd: pytest.CaptureFixture[str], arguments: list[str], folder: Path) -> str:
    """What the user reads on stderr; the command has to end with 2."""
    code = run(train, config_name="train", arguments=[*arguments, f"paths.runs={folder}", f"hydra.run.dir={folder}/run"])
    lines = capfd.readouterr().err.splitlines()
    assert code == 2, lines
    assert len(lines) == 1, lines
    assert lines[0].startswith("error: ")
    return lines[0].removeprefix("error: ")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["loader.batchsize=4"], ["loader.batchsize", "loader.batch_size"]),
        (["+loader.batchsize=4"], ["loader.batchsize", "loader.batch_size"]),
        (["+sede=1"], ["sede", "Did you mean seed"]),
        (["objective.terms.segment_contrst.temperature=0.05"], ["objective.terms.segment_contrast.temperature"]),
        (["+queue.intr.length=9"], ["queue.intr", "queue.inter"]),
        (["objectiv=seco"], ["objectiv", "Did you mean objective"]),
        (["objective=sceo"], ["objective=sceo", "Did you mean seco?"]),
        (["experiment=ucf11"], ["experiment=ucf11", "ucf101"]),
        (["trainer.max_epochs=ten"], ["trainer.max_epochs", "int", "'ten'"]),
        (["queue.inter.length=long"], ["queue.inter.length", "int", "'long'"]),
        (["optimizer.lr=true"], ["optimizer.lr", "float", "True"]),
        (["loader.batch_size=["], ["loader.batch_size=["]),
        (["experiment=ucf101"], ["data.root", "Add data.root=DIR"]),
        (["+callback.mine._target_=vclr_pl.callback.no_such.Thing"], ["callback.mine._target_", "no_such"]),
    ],
    ids=lambda value: value[0] if isinstance(value, list) and len(value) == 1 else "",
)
def test_a_misspelt_command(arguments, told, capfd, tmp_path):
    line = line_of(capfd, arguments, tmp_path)
    assert all(part in line for part in told), line


@pytest.mark.parametrize(
    ("overlay", "told"),
    [
        ("loader:\n  batchsize: 4\n", ["loader.batchsize", "loader.batch_size"]),
        ("sede: 1\n", ["sede", "Did you mean seed"]),
        ("objective:\n  terms:\n    segment_contrst:\n      temperature: 0.05\n", ["segment_contrst", "objective.terms.segment_contrast"]),
        ("callback:\n  knn:\n    every_n_epochs: 2\n", ["callback.knn", "callback.knn_monitor"]),
        ("defaults:\n  - override /objectiv: seco\n", ["objectiv", "experiment/mine.yaml", "objective"]),
        ("defaults:\n  - override /objective: sceo\n", ["objective=sceo", "seco"]),
    ],
)
def test_a_misspelt_key_in_an_experiment(overlay, told, capfd, tmp_path):
    """Hydra alone lets most of these pass in silence."""
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text(f"# @package _global_\n{overlay}")
    line = line_of(capfd, ["--config-dir", str(tmp_path), "experiment=mine"], tmp_path)
    assert all(part in line for part in told), line


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["experiment=ucf101", "data.root=/no/such/folder"], ["/no/such/folder"]),
        (["experiment=folder", "data.root={empty}"], ["{empty}"]),
        ([*TINY, "loader.batch_size=1000"], ["1000", "10"]),
        ([*TINY, "queue.inter.length=6"], ["queue.inter.length=6", "longer than the 6 keys"]),
        ([*TINY, "data.frames=5"], ["data.frames", "5"]),
        ([*TINY, "trainer.max_epochs=-5"], ["expected trainer.max_epochs of at least 1", "-5"]),
        ([*TINY, "optimizer.lr=0,01"], ["expected one value for optimizer.lr", "got 0,01", "optimizer.lr=0.01", "add -m"]),
        ([*TINY, "resume={empty}"], ["resume={empty}", "last.ckpt"]),
        ([*TINY, "resume=last"], ["checkpoints/last.ckpt", "none"]),
        ([*TINY, "resume={text}"], ["{text}", "torch reads"]),
        ([*TINY, "resume={tensors}"], ["{tensors}", "backbone"]),
        ([*TINY, "resume={weights}"], ["{weights}", "weight="]),
        ([*TINY, "resume={foreign}"], ["{foreign}", "this network"]),
        ([*TINY, "weight=moco_v2", "weight.path={empty}/none.pth"], ["none.pth"]),
    ],
)
def test_bad_input(arguments, told, capfd, tmp_path, data):
    """Folders, figures and files that do not fit."""
    names = {"empty": tmp_path / "empty", "tensors": tmp_path / "backbone.safetensors"}
    names |= {"weights": tmp_path / "weights.pth", "foreign": tmp_path / "foreign.ckpt", "text": tmp_path / "notes.ckpt"}
    names["text"].write_text("no checkpoint")
    names["empty"].mkdir()
    save_file({"a": torch.zeros(2)}, names["tensors"])
    torch.save({"state_dict": {"a": torch.zeros(2)}}, names["weights"])
    torch.save({"state_dict": {"a": torch.zeros(2)}, "optimizer_states": [], "loops": {}, "epoch": 3}, names["foreign"])
    line = line_of(capfd, [f"paths.data={data}", *(part.format(**names) for part in arguments)], tmp_path)
    assert all(part.format(**names) in line for part in told), line
    assert not [*tmp_path.rglob("*.log")]  # a refused command leaves no run folder


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has the GPU that is asked for")
@pytest.mark.parametrize("trainer", ["gpu", "ddp"])
def test_no_gpu(trainer, capfd, tmp_path):
    line = line_of(capfd, [f"trainer={trainer}"], tmp_path)
    assert "trainer.accelerator=gpu" in line
    assert "trainer=cpu" in line


def test_the_traceback_is_there_for_the_asking(monkeypatch, tmp_path):
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    with pytest.raises(Exception, match=r"data\.root"):
        run(train, config_name="train", arguments=["experiment=ucf101", f"hydra.run.dir={tmp_path}/run"])


def test_the_command_itself_exits_with_2(tmp_path):
    """Once as a user starts it, from another folder: exit code, one line, no traceback."""
    environment = {**os.environ, "HYDRA_FULL_ERROR": "0"}
    command = [sys.executable, "-m", "vclr_pl.train", "experiment=ucf101"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines() == ["error: expected a value for data.root; got none. Add data.root=DIR to the command."]
