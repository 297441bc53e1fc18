"""A run that was ended between its last step and its results is closed; any other is trained."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest
import pytorch_lightning as lightning
import torch
from torch.utils.data import DataLoader

from vclr_pl.callback.checkpoint import LastCheckpoint
from vclr_pl.encoder.video_encoder import EncoderRuntime
from vclr_pl.runner.resume import PRETRAINING
from vclr_pl.runner.training import Training, fit


class Line(lightning.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.runtime = EncoderRuntime(channels_last=False, compile=False)

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> torch.Tensor:
        del batch_idx
        return (self.weight - batch).square().mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Data(lightning.LightningDataModule):
    batch_size = 2
    loader = SimpleNamespace(global_batch_size=None)

    def train_dataloader(self) -> DataLoader[torch.Tensor]:
        return DataLoader(torch.ones(4), batch_size=2)


class Evaluation(lightning.Callback):
    """Keeps the weight that it evaluates."""

    def __init__(self) -> None:
        self.timings_seconds: dict[str, float] = {}
        self.evaluated: list[float] = []

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        del trainer
        self.timings_seconds["fit"] = 0.0
        self.evaluated.append(float(pl_module.weight.detach()))


def run(folder: Path, *, checkpoint: Path | None, **limits: int) -> SimpleNamespace:
    evaluation, module = Evaluation(), Line()
    trainer = lightning.Trainer(
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
        callbacks=[LastCheckpoint(folder=str(folder / "checkpoints")), evaluation],
        **limits,
    )
    training = Training(module=module, datamodule=Data(), trainer=trainer, evaluation=evaluation, folder=folder, hints=PRETRAINING)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*(num_workers|log_every_n_steps|logging interval|dirpath|not empty|bottleneck).*")
        fit(training, checkpoint=checkpoint)
    return SimpleNamespace(evaluated=evaluation.evaluated, trainer=trainer, weight=float(module.weight.detach()))


@pytest.mark.parametrize("limits", [{"max_epochs": 2}, {"max_steps": 4, "max_epochs": 9}])
def test_a_finished_run_is_only_evaluated(limits, tmp_path, caplog):
    first = run(tmp_path / "first", checkpoint=None, **limits)
    assert first.evaluated == [first.weight]
    last = tmp_path / "first" / "checkpoints" / "last.ckpt"
    with caplog.at_level(logging.INFO):
        second = run(tmp_path / "second", checkpoint=last, **limits)
    assert second.evaluated == [first.weight]
    assert (second.trainer.current_epoch, second.trainer.global_step) == (2, 4)
    assert "training is complete already; evaluating" in caplog.text
    assert (tmp_path / "second" / "checkpoints" / "last.ckpt").read_bytes() == last.read_bytes()


def test_an_unfinished_run_is_trained_and_evaluated_once(tmp_path, caplog):
    run(tmp_path / "first", checkpoint=None, max_epochs=1)
    with caplog.at_level(logging.INFO):
        second = run(tmp_path / "second", checkpoint=tmp_path / "first" / "checkpoints" / "last.ckpt", max_epochs=2)
    whole = run(tmp_path / "whole", checkpoint=None, max_epochs=2)
    assert second.evaluated == whole.evaluated == [second.weight]
    assert "complete already" not in caplog.text


def test_its_own_folder_keeps_its_checkpoint(tmp_path):
    run(tmp_path, checkpoint=None, max_epochs=1)
    last = tmp_path / "checkpoints" / "last.ckpt"
    before = last.read_bytes()
    assert run(tmp_path, checkpoint=last, max_epochs=1).evaluated
    assert last.read_bytes() == before
