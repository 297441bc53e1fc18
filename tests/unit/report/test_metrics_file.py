"""metrics.csv: rows as Lightning logs them, and after a kill at any moment those of a run that was never killed."""

from __future__ import annotations

import csv
import math
import warnings
from pathlib import Path

import pytest
import pytorch_lightning as lightning
import torch
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.loggers import CSVLogger
from torch.utils.data import DataLoader

from vclr_pl.report.metrics_file import MetricsFile, MetricsRows


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def logged(file: MetricsFile, *steps: int, **more: float) -> None:
    for step in steps:
        file.log_metrics({"loss": float(step), **more}, step=step)
        file.save()


def test_a_new_column_keeps_the_rows_before_it(tmp_path: Path) -> None:
    file = MetricsFile(save_dir=str(tmp_path))
    logged(file, 0)
    logged(file, 1, accuracy=50.0)
    logged(file, 2)
    assert (tmp_path / "metrics.csv").read_bytes() == b"accuracy,loss,step\r\n,0.0,0\r\n50.0,1.0,1\r\n,2.0,2\r\n"
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.csv"]


def test_a_continued_file_keeps_the_rows_of_its_checkpoint(tmp_path: Path) -> None:
    logged(MetricsFile(save_dir=str(tmp_path)), 0, 1, 2)
    with (tmp_path / "metrics.csv").open("a") as file:
        file.write("3.0")  # a killed process has written a part of a row
    again = MetricsFile(save_dir=str(tmp_path))
    again.continue_from(step=2, rows=2)
    logged(again, 2, 3)
    assert [row["step"] for row in rows(tmp_path)] == ["0", "1", "2", "3"]
    assert again.rows == 4


def test_a_checkpoint_of_0_1_0_keeps_the_rows_before_its_step(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("loss,step\n0.0,0\n1.0,1\n2.0,2\n,\nhalf")
    again = MetricsFile(save_dir=str(tmp_path))
    again.continue_from(step=2, rows=None)
    logged(again, 2)
    assert [row["step"] for row in rows(tmp_path)] == ["0", "1", "2"]


def test_a_run_that_begins_anew_replaces_the_file(tmp_path: Path) -> None:
    logged(MetricsFile(save_dir=str(tmp_path)), 0, 1)
    logged(MetricsFile(save_dir=str(tmp_path)), 0)
    assert [row["step"] for row in rows(tmp_path)] == ["0"]


def test_a_checkpoint_in_a_folder_without_the_file(tmp_path: Path) -> None:
    file = MetricsFile(save_dir=str(tmp_path))
    file.continue_from(step=5, rows=5)
    logged(file, 5)
    assert [row["step"] for row in rows(tmp_path)] == ["5"]
    assert file.rows == 1


def test_a_row_that_is_logged_ahead_is_there_once(tmp_path: Path) -> None:
    file = MetricsFile(save_dir=str(tmp_path))
    for _ in range(2):  # two checkpoints at one step
        file.log_ahead({"loss": math.nan}, 0)
    logged_again = {"loss": math.nan}
    file.log_metrics(logged_again, step=0)
    file.log_ahead(logged_again, 0)
    file.log_metrics({"loss": math.nan}, step=1)
    file.save()
    assert [row["step"] for row in rows(tmp_path)] == ["0", "1"]


class Line(lightning.LightningModule):
    """Logs at every step, and at the end of an epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> torch.Tensor:
        del batch_idx
        loss = (self.weight - batch).square().mean()
        self.log("loss", loss)
        return loss

    def on_train_epoch_end(self) -> None:
        self.log("weight", self.weight.detach())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Save(Checkpoint):
    """Writes a checkpoint at the end of a step, or of an epoch, and is killed there or after some more steps."""

    def __init__(self, path: Path, *, step: int, at_epoch_end: bool, killed_after: int) -> None:
        self.path, self.step, self.at_epoch_end, self.killed_after = path, step, at_epoch_end, killed_after

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: object) -> None:
        if trainer.global_step == self.step + self.killed_after and self.path.exists():
            raise KeyboardInterrupt
        if trainer.global_step == self.step and not self.at_epoch_end:
            trainer.save_checkpoint(self.path)
            if not self.killed_after:
                raise KeyboardInterrupt

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: object) -> None:
        del pl_module
        if trainer.global_step == self.step and self.at_epoch_end:
            trainer.save_checkpoint(self.path)
            if not self.killed_after:
                raise KeyboardInterrupt


def trained(folder: Path, *, logger: object, callbacks: list[lightning.Callback], checkpoint: Path | None = None) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = lightning.Trainer(
            accelerator="cpu",
            logger=logger,
            max_epochs=3,
            log_every_n_steps=1,
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=True,
            default_root_dir=folder,
            callbacks=callbacks,
        )
        torch.manual_seed(0)
        trainer.fit(Line(), DataLoader(torch.ones(8), batch_size=2), ckpt_path=checkpoint)


def test_the_file_is_that_of_lightnings_logger(tmp_path: Path) -> None:
    trained(tmp_path, logger=CSVLogger(str(tmp_path / "theirs"), name="", version=""), callbacks=[])
    ours = MetricsFile(save_dir=str(tmp_path / "ours"))
    trained(tmp_path, logger=ours, callbacks=[MetricsRows(ours)])
    assert (tmp_path / "ours" / "metrics.csv").read_bytes() == (tmp_path / "theirs" / "metrics.csv").read_bytes()


@pytest.mark.parametrize("killed_after", [0, 1, 2])
@pytest.mark.parametrize(("step", "at_epoch_end"), [(3, False), (4, True), (6, False), (8, True)])
def test_a_killed_run_has_each_row_once(step: int, at_epoch_end: bool, killed_after: int, tmp_path: Path) -> None:
    whole = MetricsFile(save_dir=str(tmp_path / "whole"))
    trained(tmp_path, logger=whole, callbacks=[MetricsRows(whole)])
    path, first = tmp_path / "one.ckpt", MetricsFile(save_dir=str(tmp_path / "killed"))
    save = Save(path, step=step, at_epoch_end=at_epoch_end, killed_after=killed_after)
    with pytest.raises(BaseException):  # noqa: B017, PT011 (Lightning exits after an interrupt)
        trained(tmp_path, logger=first, callbacks=[MetricsRows(first), save])
    content = torch.load(path, weights_only=True)
    again = MetricsFile(save_dir=str(tmp_path / "killed"))
    again.continue_from(step=content["global_step"], rows=content["metrics_rows"])
    trained(tmp_path, logger=again, callbacks=[MetricsRows(again)], checkpoint=path)
    assert rows(tmp_path / "killed") == rows(tmp_path / "whole")
