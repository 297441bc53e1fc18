"""The product of pretraining: the backbone alone, in a format that anyone reads without running code from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning

from vclr_pl.callback.tensor_file import write_tensors


class BackboneExport(lightning.Callback):
    """Writes `path` (safetensors) and, beside it, a JSON file that says how to build the network and what to feed it.

    Args:
        path: ends in `.safetensors`.
        architecture: the backbone's config node, `_target_` and arguments.
        size_pixels: of the crops that it was trained on.
        mean, std: of the normalization, for RGB in 0 to 1.
    """

    def __init__(
        self, *, path: str, architecture: Mapping[str, Any], size_pixels: int, mean: Sequence[float], std: Sequence[float]
    ) -> None:
        self.path = Path(path)
        self.description = {"architecture": dict(architecture), "size_pixels": size_pixels, "mean": list(mean), "std": list(std)}

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        if not trainer.is_global_zero or trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        encoder: Any = pl_module.encoder
        description = {
            **self.description,
            "feature_dim": encoder.feature_dim,
            "epochs": trainer.current_epoch,
            "steps": trainer.global_step,
        }
        write_tensors(self.path, encoder.backbone.state_dict(), description)
