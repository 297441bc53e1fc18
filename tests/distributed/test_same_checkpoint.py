"""Ranks that would continue from different checkpoints end with one line."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import pytorch_lightning as lightning
import torch
from tests.distributed.pair_environment import PairEnvironment
from torch.utils.data import DataLoader

from vclr_pl.encoder.video_encoder import EncoderRuntime
from vclr_pl.op.collective import rank
from vclr_pl.runner.resume import PRETRAINING, newest_usable, refuse_other_checkpoints
from vclr_pl.runner.training import Training, fit
from vclr_pl.types import InputError

LOOPS = {"loops": {}, "optimizer_states": [], "state_dict": {}}


def compared(folders):
    """Each rank chooses in a folder of its own, as a network file system may show it."""
    try:
        refuse_other_checkpoints(newest_usable(folders[rank()]))
    except InputError as error:
        return str(error)
    return ""


def folder_of(place, *steps, weight=0.0):
    """Newest first."""
    place.mkdir()
    for name, step in zip(("last.ckpt", "previous.ckpt"), steps, strict=False):
        torch.save({**LOOPS, "global_step": step, "weight": torch.tensor(weight)}, place / name)
    return place


def test_equal_files_pass_at_any_place(two_processes, tmp_path):
    assert two_processes(compared, (folder_of(tmp_path / "a", 20, 10), folder_of(tmp_path / "b", 20))) == ["", ""]
    assert two_processes(compared, (tmp_path / "no", tmp_path / "none")) == ["", ""]


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ((20, 10), (10,), "got last.ckpt of step 20 on rank 0 and last.ckpt of step 10 on rank 1."),
        ((20, 10), (), "got last.ckpt of step 20 on rank 0 and none on rank 1."),
        ((), (20, 10), "got none on rank 0 and last.ckpt of step 20 on rank 1."),
    ],
)
def test_another_step_is_refused(two_processes, tmp_path, first, second, said):
    found = two_processes(compared, (folder_of(tmp_path / "a", *first), folder_of(tmp_path / "b", *second)))
    assert all(said in line for line in found), found


def test_the_file_before_is_refused(two_processes, tmp_path):
    folders = folder_of(tmp_path / "a", 20, 10), folder_of(tmp_path / "b", 20, 10)
    (folders[1] / "last.ckpt").write_bytes(b"cut off")
    found = two_processes(compared, folders)
    assert all("last.ckpt of step 20 on rank 0 and previous.ckpt of step 10 on rank 1" in line for line in found), found


def test_the_same_step_of_another_run_is_refused(two_processes, tmp_path):
    found = two_processes(compared, (folder_of(tmp_path / "a", 20), folder_of(tmp_path / "b", 20, weight=1.0)))
    assert all("the same checkpoint on all ranks" in line for line in found), found


class OneWeight(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))
        self.runtime = EncoderRuntime(channels_last=False, compile=False)

    def training_step(self, batch, batch_idx):
        raise AssertionError("the ranks continue")

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Data(lightning.LightningDataModule):
    batch_size, loader = 1, SimpleNamespace(global_batch_size=None)

    def train_dataloader(self):
        return DataLoader(torch.ones(2), batch_size=1)


def fitted(folders):
    options = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    trainer = lightning.Trainer(accelerator="cpu", devices=2, strategy="ddp", plugins=[PairEnvironment()], **options)
    folder = folders[rank()]
    run = Training(
        module=OneWeight(),
        datamodule=Data(),
        trainer=trainer,
        evaluation=SimpleNamespace(timings_seconds={}),
        folder=folder,
        hints=PRETRAINING,
    )
    try:
        fit(run, checkpoint=newest_usable(folder))
    except InputError as error:
        return str(error)
    return ""


def test_a_run_compares_them_before_it_continues(two_processes, tmp_path):
    found = two_processes(fitted, (folder_of(tmp_path / "a", 20), folder_of(tmp_path / "b", 10)))
    assert all("got last.ckpt of step 20 on rank 0 and last.ckpt of step 10 on rank 1" in line for line in found), found
