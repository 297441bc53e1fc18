"""LightningModule of the Boundary-Matching Network.

Legend: B videos, D features, T positions, A segments.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
import torch
from torch import Tensor

from vclr_pl.localization.bmn import BMN, BoundaryPrediction
from vclr_pl.localization.dataset import SnippetBatch
from vclr_pl.localization.loss import BMNLoss, BoundaryMap
from vclr_pl.types import InputError


class LocalizerModule(lightning.LightningModule):
    """Training of BMN. Published: Adam 1e-3, weight decay 1e-4, 0.1 of the learning rate after seven of nine epochs, 16 videos per step.

    Args:
        localizer: the network.
        boundary_map: computes the targets.
        loss: the weighted sum.
        optimizer: creates the optimizer from the parameters.
        schedule: creates the learning rate schedule, by epochs, from the optimizer.
    """

    def __init__(
        self,
        *,
        localizer: BMN,
        boundary_map: BoundaryMap,
        loss: BMNLoss,
        optimizer: Callable[..., torch.optim.Optimizer],
        schedule: Callable[..., Any],
    ) -> None:
        super().__init__()
        self.localizer, self.boundary_map, self.loss = localizer, boundary_map, loss
        self.optimizer, self.schedule = optimizer, schedule
        self.draw_seed = torch.initial_seed() % 2**31

    def training_step(self, batch: SnippetBatch) -> Tensor:
        prediction: BoundaryPrediction = self.localizer(batch.features)
        labels = self.boundary_map(batch.segments)
        losses = self.loss(prediction, labels, valid_DS=self.localizer.valid, uniform_2BDS=self.draw_uniform(len(batch)))
        scalars: dict[str, Any] = {
            "train/loss": losses.total.detach(),
            "train/loss_boundary": losses.boundary.detach(),
            "train/loss_regression": losses.regression.detach(),
            "train/loss_classification": losses.classification.detach(),
        }
        if self._trainer is not None:
            scalars["train/lr"] = torch.full((), self.trainer.optimizers[0].param_groups[0]["lr"], device=self.device)
            self.log_dict(scalars, batch_size=len(batch))
        return losses.total

    def draw_uniform(self, videos: int) -> Tensor:
        """Uniform draws `[2, B, D, S]`, which depend only on seed, step and rank, so a resumed run has the same draws."""
        step = self.trainer.global_step * self.trainer.world_size + self.trainer.global_rank if self._trainer is not None else 0
        generator = torch.Generator().manual_seed(self.draw_seed + step)
        positions = self.localizer.positions
        drawn = torch.rand(2, videos, positions, positions, generator=generator, pin_memory=self.device.type == "cuda")
        return drawn.to(self.device, non_blocking=True)

    def configure_optimizers(self) -> Any:
        optimizer = self.optimizer(self.parameters())
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": self.schedule(optimizer), "interval": "epoch"}}


def load_localizer(localizer: BMN, path: Path) -> None:
    """Load weights of our checkpoint or of mmaction2's file, by name; no code in the file is executed.

    Raises:
        InputError: the file does not exist, or does not fit this network.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        state = content.get("state_dict", content)
    except Exception as error:
        cause = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(expected="a checkpoint of a localizer", got=f"{path} ({cause})", hint="Correct checkpoint=FILE.") from error
    own = {name.removeprefix("localizer."): value for name, value in state.items() if name.startswith("localizer.")} or state
    try:
        localizer.load_state_dict(own)
    except RuntimeError as error:
        raise InputError(
            expected=f"weights for {localizer.feature_dim} features and the sizes of this network",
            got=f"{path}: {' '.join(str(error).split())[:300]}",
            hint="Use the sizes (localizer=...) and the feature dimension of the training.",
        ) from None
