from __future__ import annotations

import pytorch_lightning as lightning
import torch
from tests.unit.callback.test_checkpoint import Line

from vclr_pl.callback.fresh_metrics import FreshMetrics

VALUES = {0: 50.0, 3: 50.0, 4: 60.0}  # by epoch; the second is equal, and measured anew


class Measuring(lightning.Callback):
    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        pl_module.log("train/other", float(trainer.current_epoch))
        if trainer.current_epoch in VALUES:
            pl_module.log("val/top1", VALUES[trainer.current_epoch])


class Reading(lightning.Callback):
    def __init__(self) -> None:
        self.fresh, self.found = FreshMetrics(prefix="val/"), {}

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self.found[trainer.current_epoch] = self.fresh.read(trainer)
        assert self.fresh.read(trainer) == {}


def test_a_value_is_read_once_each_time_that_it_is_measured(tmp_path):
    reading = Reading()
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_epochs=6,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
        callbacks=[Measuring(), reading],
    )
    trainer.fit(Line(), train_dataloaders=torch.utils.data.DataLoader(torch.ones(2, 1)))
    assert reading.found == {epoch: {"val/top1": VALUES[epoch]} if epoch in VALUES else {} for epoch in range(6)}
