"""The product of fine-tuning: the recognizer alone, with all that is needed to build it and to feed it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning

from vclr_pl.callback.tensor_file import write_tensors


class RecognizerExport(lightning.Callback):
    """Writes `path` (safetensors) and, beside it, the same description as JSON.

    Args:
        path: ends in `.safetensors`.
        architecture: `_target_` and arguments of the backbone; None where it can only be given as a module.
    """

    def __init__(self, *, path: str, architecture: Mapping[str, Any] | None) -> None:
        self.path, self.architecture = Path(path), architecture

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        if not trainer.is_global_zero or trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        module: Any = pl_module
        network, data = module.recognizer, trainer.datamodule  # type: ignore[attr-defined]
        view = data.evaluation_view
        description = {
            "architecture": self.architecture,
            "class_names": list(data.class_names),
            "shift": None if network.shift is None else {"segments": network.shift.segments, "divisor": network.shift.divisor},
            "segments": view.frames,
            "crop_pixels": view.crop_pixels,
            "short_side_pixels": view.short_side_pixels,
            "crops": view.crops,
            "mean": list(view.mean),
            "std": list(view.std),
            "frames_per_clip": data.sampling.frames_per_clip,
            "frame_stride": data.sampling.frame_stride,
            "epochs": trainer.current_epoch,
            "steps": trainer.global_step,
        }
        write_tensors(self.path, network.state_dict(), description)
