from __future__ import annotations

import signal

import pytest
import pytorch_lightning as lightning
import torch
from omegaconf import OmegaConf

from vclr_pl.callback.checkpoint import AtomicCheckpointIO, BestCheckpoint, LastCheckpoint
from vclr_pl.config_path import config_folder
from vclr_pl.stop import Stopped


@pytest.mark.parametrize(("pause_seconds", "expected"), [(0.0, [1, 2, 3, 4]), (1000.0, [1, 4])])
def test_short_epochs_share_a_checkpoint(tmp_path, pause_seconds, expected):
    """The first epoch and the last always have one."""
    written = []

    class Noting(AtomicCheckpointIO):
        def save_checkpoint(self, checkpoint, path, storage_options=None):
            super().save_checkpoint(checkpoint, path, storage_options)
            written.append(checkpoint["epoch"] + 1)

    trainer = lightning.Trainer(
        accelerator="cpu",
        max_epochs=4,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
        callbacks=[LastCheckpoint(folder=str(tmp_path), pause_seconds=pause_seconds)],
        plugins=[Noting()],
    )
    trainer.fit(Line(), torch.utils.data.DataLoader(torch.ones(2, 1)))
    assert written == expected
    assert sorted(path.name for path in tmp_path.iterdir()) == ["last.ckpt", "previous.ckpt"]
    both = [torch.load(tmp_path / name, weights_only=True)["epoch"] + 1 for name in ("previous.ckpt", "last.ckpt")]
    assert both == expected[-2:]


class Line(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def training_step(self, batch):
        return self.layer(batch).mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pytest.mark.parametrize(("labeled", "best_epoch"), [(True, 3), (False, 2)])
def test_the_best_checkpoint_is_the_later_of_equals_by_the_metric_that_the_data_has(tmp_path, labeled, best_epoch):
    class Watched(Line):
        def on_train_epoch_end(self):
            epoch = self.trainer.current_epoch
            self.log("val/knn_train_top1", (50.0, 60.0, 60.0, 40.0)[epoch])
            if epoch == 1:  # Lightning keeps the value in the later epochs, which have no reading
                self.log("val/copy_top1", 9.0)

    best = BestCheckpoint(folder=str(tmp_path), monitor="val/knn_train_top1", monitor_without_labels="val/copy_top1")
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_epochs=4,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
        callbacks=[best],
        plugins=[AtomicCheckpointIO()],
    )
    trainer.fit(Watched(), datamodule=Data(labeled))
    assert torch.load(tmp_path / "best.ckpt", weights_only=True)["epoch"] + 1 == best_epoch
    assert [path.name for path in tmp_path.glob("*.ckpt")] == ["best.ckpt"]


class Data(lightning.LightningDataModule):
    def __init__(self, labeled):
        super().__init__()
        self.labeled = labeled

    def train_dataloader(self):
        return torch.utils.data.DataLoader(torch.ones(2, 1))


def test_the_state_of_another_metric_is_left_out(tmp_path):
    best = BestCheckpoint(folder=str(tmp_path), monitor="val/knn_train_top1", monitor_without_labels="val/copy_top1")
    best.load_state_dict({"monitor": "val/knn_top1", "best_model_score": torch.tensor(99.0), "best_model_path": "best.ckpt"})
    assert (best.best_model_score, best.best_model_path) == (None, "")


class Position(torch.utils.data.DataLoader):
    """A loader that can continue inside an epoch."""

    def load_state_dict(self, state):
        pass


class StoppedReading(lightning.Callback):
    """Reads after each second epoch, and is stopped there."""

    def reads_after(self, trainer):
        return trainer.current_epoch % 2 == 1

    def on_train_epoch_end(self, trainer, pl_module):
        if self.reads_after(trainer):
            raise Stopped(signal.SIGTERM)


def test_a_stop_while_videos_are_read_after_an_epoch_loses_no_step(tmp_path):
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_epochs=4,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
        callbacks=[StoppedReading(), LastCheckpoint(folder=str(tmp_path))],
    )
    with pytest.raises(Stopped):
        trainer.fit(Line(), Position(torch.ones(3, 1)))
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["global_step"] == 6


def test_last_ckpt_is_written_after_the_other_files_of_its_epoch():
    """A run that is killed between them continues before the epoch's end and writes them again."""
    names = list(OmegaConf.load(config_folder() / "callback" / "default.yaml"))
    assert max(names.index("best_checkpoint"), names.index("checkpoint")) < names.index("last_checkpoint")
