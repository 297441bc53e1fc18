"""The product of pretraining: the backbone alone, in a format that anyone reads without running code from it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning

from vclr_pl.callback.tensor_file import write_tensors


class BackboneExport(lightning.Callback):
    """Writes `path` (safetensors) and, beside it, a JSON file that says how to build the network and what to feed it: the view of the
    run's own evaluation.

    Args:
        path: ends in `.safetensors`.
        architecture: the backbone's config node, `_target_` and arguments.
    """

    def __init__(self, *, path: str, architecture: Mapping[str, Any]) -> None:
        self.path, self.architecture = Path(path), dict(architecture)

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        if not trainer.is_global_zero or trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        encoder: Any = pl_module.encoder
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        view = data.evaluation_view
        description = {
            "architecture": self.architecture,
            "frames": view.frames,
            "crop_pixels": view.crop_pixels,
            "short_side_pixels": view.short_side_pixels,
            "mean": list(view.mean),
            "std": list(view.std),
            "frames_per_clip": data.sampling.frames_per_clip,
            "frame_stride": data.sampling.frame_stride,
            "feature_dim": encoder.feature_dim,
            "epochs": trainer.current_epoch,
            "steps": trainer.global_step,
        }
        write_tensors(self.path, encoder.backbone.state_dict(), description)
