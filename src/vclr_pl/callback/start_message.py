"""Log before training: what the run needs, its folder, and why the loss rises at first."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Any

import pytorch_lightning as lightning

from vclr_pl.callback.plan import first_lines

logger = logging.getLogger(__name__)

SHORTEST_LOG = 50  # rows of metrics.csv, for runs of as many steps


class StartMessage(lightning.Callback):
    """A line each on videos, steps, memory, disk, network and loss; a warning for each queue of more keys than the data gives.

    A short run is logged more often than `trainer.log_every_n_steps`, so that its metrics.csv has enough rows for curves.
    """

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        module: Any = pl_module
        interval = max(1, module.length.total_steps // SHORTEST_LOG)
        trainer.log_every_n_steps = min(trainer.log_every_n_steps, interval)  # type: ignore[attr-defined]
        if not trainer.is_global_zero:
            return
        videos = len(data.manifest("train"))
        log_plan(trainer, module, callbacks=trainer.callbacks)  # type: ignore[attr-defined]
        logger.info("%s", parameters(module))
        length, warmup = module.length, module.schedule.warmup_epochs
        if warmup * length.steps_per_epoch >= length.total_steps:
            logger.warning("%s", long_warmup(warmup, epochs=length.total_steps / length.steps_per_epoch))
        keys_per_video = module.keys_per_video(segments=data.segments)
        lengths = {name: module.queue_of(name).length for name in module.queues}
        if lengths:
            logger.info("%s", expectation(lengths, keys_per_video, batch=module.length.batch_size * module.length.world_size))
        for name, length in lengths.items():
            keys = keys_per_video[name] * videos
            if length > keys:
                logger.warning("%s", excess(name, option=module.queue_options[name], length=length, keys_per_epoch=keys))


def log_plan(trainer: Any, module: Any, *, callbacks: Sequence[lightning.Callback]) -> None:
    """Log what a run with these callbacks needs, and warn where the machine has too little."""
    lines, warnings = first_lines(trainer, module, callbacks=callbacks)
    for line in lines:
        logger.info("%s", line)
    for warning in warnings:
        logger.warning("%s", warning)


def parameters(module: Any) -> str:
    """The line on the number of parameters."""
    trained = sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
    followed = sum(parameter.numel() for parameter in module.momentum_encoder.parameters())
    return f"network: {trained / 1e6:.2f} M parameters, and {followed / 1e6:.2f} M of the momentum encoder"


def long_warmup(warmup_epochs: float, *, epochs: float) -> str:
    """The warning on a warm-up that does not end."""
    return (
        f"the learning rate rises for {warmup_epochs:g} epochs, but the run has {epochs:g}: it never reaches optimizer.lr; "
        f"set schedule.warmup_epochs={epochs / 10:g}"
    )


def expectation(lengths: dict[str, int], keys_per_video: dict[str, int], *, batch: int) -> str:
    """The line on the loss: queues by name with their lengths K, and how long each fills."""
    parts = [
        f"{math.log(1 + length):.2f} for queue.{name} (K={length}, full after {math.ceil(length / (keys_per_video[name] * batch))} steps)"
        for name, length in lengths.items()
    ]
    told = f"expect: while a queue fills, its loss rises toward log(1 + K): {', '.join(parts)}; that is normal, and it may stay there"
    return f"{told}: judge by the similarity gap and kNN"


def excess(name: str, *, option: str, length: int, keys_per_epoch: int) -> str:
    """The warning on a queue that is longer than the data."""
    return (
        f"the queue {name} holds {length} keys, but an epoch has {keys_per_epoch}: each video has about "
        f"{length / keys_per_epoch:.1f} older keys in the queue, which are negatives of the video itself; "
        f"set {option}.length lower, or {option}.mask_own_video=true"
    )
