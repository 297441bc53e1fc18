"""What to expect of a fine-tuning run, said before it starts: what is trained, on what, at which learning rate, and where it goes."""

from __future__ import annotations

import logging
from typing import Any

import pytorch_lightning as lightning

logger = logging.getLogger(__name__)


class RecognitionStart(lightning.Callback):
    """Three lines: the data and length of the run, the learning rate as configured and as scaled to the batch, what is trained.

    A run shorter than the logging interval is logged at every step, so that its metrics.csv is not empty.
    """

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        module: Any = pl_module
        length = module.length
        if length.total_steps < trainer.log_every_n_steps:  # type: ignore[attr-defined]
            trainer.log_every_n_steps = 1  # type: ignore[attr-defined]
        if not trainer.is_global_zero:
            return
        tested = f"{len(data.manifest('test'))} to test" if data.has_test else "none to test"
        logger.info(
            "recognition: %d classes, %d training videos (%s), %d segments each, %d steps an epoch, %d steps in all",
            len(data.class_names),
            len(data.manifest("train")),
            tested,
            data.segments,
            length.steps_per_epoch,
            length.total_steps,
        )
        logger.info(
            "learning rate: %g at %d videos a step (optimizer.reference_batch_size); here %d, so %g%s",
            module.optimizer.lr,
            module.optimizer.reference_batch_size,
            length.global_batch_size,
            module.scaled_lr,
            "" if module.lr_factor == 1 else f" with module.linear_lr_factor={module.lr_factor:g}",
        )
        logger.info("%s; writing into %s", trained(module), trainer.default_root_dir)


def trained(module: Any) -> str:
    """Which parameters learn, and which of them otherwise than the rest."""
    total = sum(parameter.numel() for parameter in module.recognizer.parameters())
    groups = module.groups()
    count = sum(parameter.numel() for group in groups for parameter in group.parameters)
    what = "the whole network" if module.recognizer.trains_backbone else "the linear layer alone, on a frozen backbone"
    odd = [f"{group.name} x{group.lr_factor:g}{'' if group.decays else ' without decay'}" for group in groups]
    return f"training {what}: {count / 1e6:.2f} of {total / 1e6:.2f} M parameters" + (f" ({', '.join(odd)})" if len(groups) > 1 else "")
