"""Fine-tuning on a frozen backbone: features of augmented views, computed once."""

from __future__ import annotations

import logging
import time
from typing import Any

import pytorch_lightning as lightning
import torch

from vclr_pl.callback.progress import watched
from vclr_pl.report.plan import clock
from vclr_pl.stop import stop_if_requested
from vclr_pl.types import InputError, LabeledFeatures, LabeledViews, nothing_readable

logger = logging.getLogger(__name__)


class ViewFeatures(lightning.Callback):
    """With a frozen backbone, computes the features of a few augmented views of each training video once, and trains on them.

    Args:
        views_per_video: views of each video, at most one for each epoch; epoch e trains on view e modulo their number. None augments
            and reads every video anew in each epoch. A run on some of its batches (`limit_train_batches`) reads them anew, too.
    """

    def __init__(self, *, views_per_video: int | None) -> None:
        if views_per_video is not None and views_per_video < 1:
            hint = "Set views_per_video=10, or views_per_video=null for new views in each epoch."
            raise InputError(expected="views_per_video of at least 1", got=str(views_per_video), hint=hint)
        self.views_per_video = views_per_video

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        module: Any = pl_module
        is_limited = isinstance(trainer.limit_train_batches, int) or trainer.limit_train_batches < 1.0
        if self.views_per_video is None or module.recognizer.trains_backbone or is_limited:
            return
        started, data = time.perf_counter(), trainer.datamodule  # type: ignore[attr-defined]
        epochs = trainer.max_epochs or -1
        views = self.views_per_video if epochs < 1 else min(self.views_per_video, epochs)
        if trainer.is_global_zero:
            logger.info(
                "the backbone is frozen: the features of %d augmented views of each training video are computed once "
                "(views_per_video; null augments anew in each epoch)",
                views,
            )
        size_bytes = data.train_on(self._read(trainer, module, views=views), views=views)
        if trainer.is_global_zero:
            logger.info("features of all views: computed in %s, %.1f MB of memory", clock(time.perf_counter() - started), size_bytes / 1e6)

    @torch.no_grad()
    def _read(self, trainer: Any, module: Any, *, views: int) -> list[LabeledFeatures]:
        data, read = trainer.datamodule, []
        loader = data.view_loader(views=views)
        shown = watched(
            loader,
            total=len(loader),
            doing="reading videos",
            is_bad=lambda batch: bool(batch.broken),
            bad="broken",
            unit="batches",
        )
        for batch in shown if trainer.is_global_zero else loader:
            stop_if_requested()
            data.account_for(batch.broken)
            if not isinstance(batch, LabeledViews):
                raise nothing_readable("training videos", batch.broken)
            on_device = data.on_after_batch_transfer(batch.to(trainer.strategy.root_device), 0)
            with trainer.precision_plugin.train_step_context():
                features = module.video_features(on_device.views)
            read.append(LabeledFeatures(features=features.cpu(), label=batch.label, video_index=batch.video_index))
        return read
