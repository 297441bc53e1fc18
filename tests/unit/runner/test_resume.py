from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig, OmegaConf

from vclr_pl.report.record import ResultRecord, write_record
from vclr_pl.runner.resume import (
    FINE_TUNING,
    checkpoint_path,
    continue_own_folder,
    is_finished,
    newest_usable,
    refuse_foreign_checkpoint,
    refuse_running,
)
from vclr_pl.types import InputError

STATE = {"a": torch.zeros(1), "b": torch.zeros(1)}


def written(path: Path, *, content: object = None, steps: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = {"loops": {}, "global_step": steps, "state_dict": {"a": torch.zeros(10_000)}}
    torch.save(whole if content is None else content, path)
    return path


def state(*names: str, epoch: int = 1) -> dict[str, object]:
    groups = [{"params": [0, 1]}, {"params": [2]}]
    return {
        "state_dict": {name: torch.zeros(1) for name in names},
        "optimizer_states": [{"param_groups": groups}],
        "loops": {},
        "epoch": epoch,
    }


def test_a_file_a_run_folder_and_its_checkpoints_mean_the_same(tmp_path):
    file = written(tmp_path / "run" / "checkpoints" / "last.ckpt")
    for resume in (file, file.parent, file.parent.parent):
        assert checkpoint_path(str(resume), experiment_folder=tmp_path) == file
    assert checkpoint_path(None, experiment_folder=tmp_path) is None


def test_last_is_the_newest_run_sweeps_included(tmp_path):
    files = [written(tmp_path / run / "checkpoints" / "last.ckpt") for run in ("sweep_1/0", "2030-01-01", "2030-01-02")]
    for age, file in enumerate(files):
        os.utime(file, (1000 - age, 1000 - age))
    assert checkpoint_path("last", experiment_folder=tmp_path) == files[0]


def test_the_newest_whole_checkpoint_continues(tmp_path, caplog):
    """A killed run leaves `previous.ckpt` alone, or a damaged `last.ckpt`; other checkpoints have fewer steps."""
    folder = tmp_path / "run" / "checkpoints"
    assert newest_usable(tmp_path / "run") is None
    files = {name: written(folder / f"{name}.ckpt", steps=steps) for name, steps in (("best", 10), ("epoch_0001", 8), ("previous", 9))}
    last = written(folder / "last.ckpt", steps=10)
    written(folder / "weights.ckpt", content={"state_dict": {}})  # no checkpoint of a run
    for resume in (tmp_path / "run", folder, "last"):
        assert checkpoint_path(str(resume), experiment_folder=tmp_path) == last
    content = bytearray(last.read_bytes())
    content[len(content) // 2] ^= 255
    last.write_bytes(content)
    assert newest_usable(tmp_path / "run") == files["best"]
    assert "last.ckpt is damaged" in caplog.text
    last.write_bytes(content[: len(content) // 2])
    files["best"].unlink()
    assert newest_usable(folder) == files["previous"]


def run_config(folder: Path, *, resume: str | None = "auto", plan: bool = False, **lengths: int) -> DictConfig:
    return OmegaConf.create({"resume": resume, "plan": plan, "paths": {"run": str(folder)}, "trainer": lengths})


def test_auto_means_the_own_folder(tmp_path):
    config = run_config(tmp_path)
    continue_own_folder(config)
    assert config.resume == "auto"
    assert checkpoint_path(config.resume, experiment_folder=tmp_path) is None
    last = written(tmp_path / "checkpoints" / "last.ckpt")
    continue_own_folder(config)
    assert checkpoint_path(config.resume, experiment_folder=tmp_path) == last
    restarted = run_config(tmp_path, resume=None)  # by torchrun
    continue_own_folder(restarted)
    assert restarted.resume == str(last)
    of_another = run_config(tmp_path / "new", resume="PATH")  # by torchrun, before the first checkpoint
    continue_own_folder(of_another)
    assert of_another.resume == "PATH"


@pytest.mark.parametrize(
    ("resume", "lengths", "finished"),
    [
        ("auto", {"max_epochs": 3}, True),
        ("auto", {"max_epochs": 2, "max_steps": -1}, True),
        ("auto", {"max_epochs": 4}, False),
        ("auto", {"max_epochs": 9, "max_steps": 30}, True),
        ("auto", {"max_epochs": -1}, True),
        ("own", {"max_epochs": 3}, True),
        (None, {"max_epochs": 3}, False),
        ("other", {"max_epochs": 3}, False),
    ],
)
def test_a_finished_run(resume, lengths, finished, tmp_path):
    resume = {"own": str(tmp_path / "checkpoints" / "last.ckpt"), "other": "/elsewhere/checkpoints/last.ckpt"}.get(resume, resume)
    config = run_config(tmp_path, resume=resume, **lengths)
    assert not is_finished(config)
    record = ResultRecord(name="a", metrics={}, baseline={}, provenance={}, timings_seconds={}, training={"epochs": 3, "steps": 30})
    write_record(record, tmp_path / "results.json")
    assert is_finished(config) == finished


HOLDER = """
import sys, time
from pathlib import Path
from vclr_pl.store import FolderLock
lock = FolderLock(Path(sys.argv[1]))
print(lock.acquired(), flush=True)
time.sleep(60)
"""


def test_a_run_that_is_still_training_is_refused(tmp_path):
    file = written(tmp_path / "run" / "checkpoints" / "last.ckpt")
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path / "run")], stdout=subprocess.PIPE, text=True) as training:
        assert training.stdout.readline() == "True\n"
        with pytest.raises(InputError, match=r"a run that has ended; got .*run, which is still training"):
            refuse_running(file, folder=tmp_path / "new")
        refuse_running(file, folder=tmp_path / "run")  # its own folder: the lock itself refuses
        training.kill()
    refuse_running(file, folder=tmp_path / "new")


def test_absent_ones_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"resume=.*nowhere"):
        checkpoint_path(str(tmp_path / "nowhere"), experiment_folder=tmp_path)
    with pytest.raises(InputError, match="Start one without resume"):
        checkpoint_path("last", experiment_folder=tmp_path)


def test_a_checkpoint_of_this_run_passes(tmp_path):
    refuse_foreign_checkpoint(written(tmp_path / "a.ckpt", content=state("a", "b")), state=STATE, epochs=3)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ([1, 2], "with optimizer and loops"),
        ({"state_dict": {}}, "weight=moco_v2"),
        (state("a"), r"1 tensors, 1 of them the same \(differs: b of shape \[1\]\)"),
        (state("a", "b", "c"), r"differs: c"),
        (
            {**state("a"), "state_dict": {"a": torch.zeros(1), "b": torch.zeros(2)}},
            r"2 tensors, 1 of them the same \(differs: b of shape \[1\]\)",
        ),
        (state("a", "b", epoch=3), "That run is over"),
    ],
)
def test_others_are_refused(content, told, tmp_path):
    with pytest.raises(InputError, match=told):
        refuse_foreign_checkpoint(written(tmp_path / "a.ckpt", content=content), state=STATE, epochs=3)


def test_what_torch_cannot_read_is_refused(tmp_path):
    (tmp_path / "notes.ckpt").write_text("no checkpoint")
    with pytest.raises(InputError, match="that torch reads"):
        refuse_foreign_checkpoint(tmp_path / "notes.ckpt", state=STATE, epochs=3)


def test_a_run_without_a_last_epoch_can_be_resumed(tmp_path):
    refuse_foreign_checkpoint(written(tmp_path / "a.ckpt", content=state("a", "b")), state=STATE, epochs=None)


def test_a_run_that_has_its_results_is_over(tmp_path):
    """Killed during its evaluation it has none: it passes, to be evaluated."""
    file = written(tmp_path / "run" / "checkpoints" / "last.ckpt", content=state("a", "b", epoch=2))
    refuse_foreign_checkpoint(file, state=STATE, epochs=3)
    (tmp_path / "run" / "results.json").write_text("{}")
    with pytest.raises(InputError, match=r"after 3\. That run is over"):
        refuse_foreign_checkpoint(file, state=STATE, epochs=3)
    refuse_foreign_checkpoint(file, state=STATE, epochs=4)


@pytest.mark.parametrize("groups", [[3], [2], [1, 2], [2, 1, 1]])
def test_another_division_of_the_parameters_is_refused(groups, tmp_path):
    file = written(tmp_path / "a.ckpt", content=state("a", "b"))
    refuse_foreign_checkpoint(file, state=STATE, epochs=3, groups=[2, 1])
    with pytest.raises(InputError, match=r"groups of .*; got .*a\.ckpt with 2, 1\. Give the encoder, recognizer, data, mode and"):
        refuse_foreign_checkpoint(file, state=STATE, epochs=3, groups=groups, hints=FINE_TUNING)


def test_the_hint_is_of_the_command(tmp_path):
    with pytest.raises(InputError, match="encoder=FILE"):
        refuse_foreign_checkpoint(written(tmp_path / "a.ckpt", content={"state_dict": {}}), state=STATE, epochs=3, hints=FINE_TUNING)
