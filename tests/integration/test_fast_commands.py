"""Help, completion and refusals answer before torch and Lightning are imported, which takes seconds."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.user_environment import user_environment

import vclr_pl

SLOW = (
    "torch",
    "torchvision",
    "pytorch_lightning",
    "lightning_fabric",
    "torchmetrics",
    "pytorchvideo",
    "av",
    "sklearn",
    "scipy",
    "matplotlib",
)
COMMANDS = (
    "train",
    "evaluate",
    "compare",
    "embed",
    "retrieve",
    "finetune",
    "localize",
    "visualize",
    "convert",
    "check",
    "prepare",
    "reproduce",
)
PROGRAM = """
import json, runpy, sys
try:
    runpy.run_module("vclr_pl.{command}", run_name="__main__", alter_sys=True)
except SystemExit as ending:
    code = ending.code
else:
    code = 0
sys.stdout.flush()
print(json.dumps([code, [name for name in {slow} if name in sys.modules]]), file=sys.stderr)
"""


def ended(command: str, *arguments: str, folder: Path, **variables: str) -> tuple[int, list[str], str, list[str]]:
    """The exit code, which slow packages were imported, stdout, and the lines of stderr."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(command=command, slow=SLOW), *arguments],
        cwd=folder,
        env=user_environment(home=folder, **variables),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    *lines, last = done.stderr.splitlines()
    code, imported = json.loads(last)
    return code, imported, done.stdout, lines


@pytest.mark.parametrize("command", COMMANDS)
def test_help_and_the_config(command, tmp_path):
    code, imported, shown, _ = ended(command, "--help", folder=tmp_path)
    assert (code, imported) == (0, [])
    assert command in shown
    code, imported, shown, _ = ended(command, "--cfg", "job", folder=tmp_path)
    assert (code, imported) == (0, [])
    assert "_target_: vclr_pl." in shown


@pytest.mark.parametrize("command", ["train", "__main__"])
def test_the_version(command, tmp_path):
    code, imported, shown, _ = ended(command, "--version", folder=tmp_path)
    assert (code, imported) == (0, [])
    assert shown.startswith(f"vclr_pl {vclr_pl.__version__}, Python 3.")
    assert f"torch {importlib.metadata.version('torch')}" in shown


def test_completion(tmp_path):
    line = "vclr-train objective="
    code, imported, shown, _ = ended("train", "-sc", "query=bash", folder=tmp_path, COMP_LINE=line, COMP_POINT=str(len(line)))
    names = ("byol", "clip_contrast", "inter_only", "seco", "segment_only", "vclr", "without_inter", "without_intra", "without_order")
    assert (code, imported, shown.split()) == (0, [], [f"objective={name}" for name in names])


@pytest.mark.parametrize(
    ("command", "arguments", "told"),
    [
        ("train", ["loader.batchsize=4"], "loader.batch_size"),
        ("train", ["+loader.batchsize=4"], "loader.batch_size"),
        ("train", ["+trainer.max_epoch=4"], "trainer.max_epochs"),
        ("train", ["trainer.max_epochs=ten"], "trainer.max_epochs of type int"),
        ("train", ["objective=sceo"], "seco"),
        ("train", ["experiment=ucf101"], "Add data.root=DIR"),
        ("train", ["backbone=null"], "a value for backbone"),
        ("train", ["loader.batch_size=["], "quotes"),
        ("finetune", ["experiment=demo"], "finetune/demo"),
        ("finetune", ["encoder=FILE", "+optimizer.lrr=1"], "optimizer.lr"),
        ("localize", ["+localizer.wdith=1"], "localizer."),
        ("evaluate", ["data.root=DIR"], "Add encoder="),
        ("retrieve", ["encoder=random", "gallery.rot=DIR"], "gallery.root"),
        ("check", ["+reading.proceses=1", "data.root=DIR"], "reading.processes"),
        ("convert", ["to=timm", "output=o"], "Add input="),
        ("reproduce", ["roots.ucf=DIR"], "roots.ucf101"),
        ("reproduce", ["table=linear"], "roots.kinetics400=DIR"),
    ],
)
def test_a_mistake(command, arguments, told, tmp_path):
    code, imported, _, lines = ended(command, *arguments, folder=tmp_path)
    assert (code, imported, len(lines)) == (2, [], 1), lines
    assert lines[0].startswith("error: expected ")
    assert told in lines[0]


def test_the_experiment_of_a_user_is_checked(tmp_path):
    """Hydra alone accepts unknown keys of an experiment."""
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment/mine.yaml").write_text("# @package _global_\nloader:\n  batchsize: 4\n")
    code, imported, _, (line,) = ended("train", "--config-dir", str(tmp_path), "experiment=mine", folder=tmp_path)
    assert (code, imported) == (2, [])
    assert "loader.batchsize. Did you mean loader.batch_size" in line


def test_the_list_of_commands(tmp_path):
    code, imported, shown, _ = ended("__main__", folder=tmp_path)
    assert (code, imported) == (0, [])
    assert all(f"python -m vclr_pl.{command} " in shown for command in COMMANDS)
