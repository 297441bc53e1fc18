"""Exports of the trained backbone or recognizer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
from safetensors.torch import save
from torch import Tensor, nn

from vclr_pl.callback.best_encoder import best_encoder_of
from vclr_pl.files import write_whole


def write_tensors(path: Path, tensors: Mapping[str, Tensor], description: Mapping[str, Any]) -> None:
    """Write safetensors with `description` in its metadata, each value as JSON, in one step; and the same as JSON beside it."""
    contents = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    write_whole(path, save(contents, metadata={name: json.dumps(value) for name, value in description.items()}))
    write_whole(path.with_suffix(".json"), json.dumps(description, indent=2) + "\n")


class BackboneExport(lightning.Callback):
    """Write `path` (safetensors) and a JSON file next to it with the network's constructor and its input: the view of the
    run's own evaluation.

    Args:
        path: ends in `.safetensors`.
        architecture: the backbone's config node, for a backbone that does not declare `exported_as`.
    """

    def __init__(self, *, path: str, architecture: Mapping[str, Any]) -> None:
        self.path, self.architecture = Path(path), dict(architecture)

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        if not trainer.is_global_zero or trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        best = best_encoder_of(trainer)
        exported = (best.epoch, best.step) if best is not None else (None, None)
        epochs, steps = exported if exported[1] is not None else (trainer.current_epoch, trainer.global_step)
        module: Any = pl_module
        self.write(trainer, module.encoder, epochs=epochs, steps=steps)

    def write(self, trainer: Any, encoder: Any, *, epochs: int | None, steps: int | None) -> None:
        """Write the encoder's backbone, which has been trained for so many epochs and steps."""
        data: Any = trainer.datamodule
        view = data.evaluation_view
        description = {
            "architecture": getattr(encoder.backbone, "exported_as", self.architecture),
            "frames": view.frames,
            "crop_pixels": view.crop_pixels,
            "short_side_pixels": view.short_side_pixels,
            "mean": list(view.mean),
            "std": list(view.std),
            "frames_per_clip": data.sampling.frames_per_clip,
            "frame_stride": data.sampling.frame_stride,
            "feature_dim": encoder.feature_dim,
            "epochs": epochs,
            "steps": steps,
            **({} if steps == trainer.global_step else {"chosen": True}),  # `encoder=RUN_FOLDER` then reads this file, not last.ckpt
        }
        write_tensors(self.path, encoder.backbone.state_dict(), description)


def exported_step(trainer: Any, *, better_start: nn.Module | None) -> int:
    """The step of the exported encoder.

    Args:
        better_start: the start of a run that made it worse: it replaces the exported encoder where the run exports its best one.
    """
    best = best_encoder_of(trainer)
    export = next((one for one in trainer.callbacks if isinstance(one, BackboneExport)), None)
    if better_start is not None and best is not None and export is not None and best.applies(trainer):
        export.write(trainer, better_start, epochs=0, steps=0)
        return 0
    return int(trainer.global_step) if best is None or best.step is None else best.step


class RecognizerExport(lightning.Callback):
    """Write `path` (safetensors), and its description as JSON next to it.

    Args:
        path: ends in `.safetensors`.
        architecture: `_target_` and arguments of the backbone, for one that does not declare `exported_as`; None where
            it can only be given as a module.
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
            "architecture": getattr(network.backbone, "exported_as", self.architecture),
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
