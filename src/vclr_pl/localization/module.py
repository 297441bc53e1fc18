"""Training of the Boundary-Matching Network as a LightningModule.

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
from vclr_pl.localization.loss import BMNLoss, BoundaryMap
from vclr_pl.types import InputError, SnippetBatch


class LocalizerModule(lightning.LightningModule):
    """Published: Adam 1e-3, weight decay 1e-4, a tenth from the eighth of nine epochs on, 16 videos a step.

    Args:
        localizer: the network.
        boundary_map: makes the labels.
        loss: the weighted sum.
        optimizer: makes the optimizer from the parameters.
        schedule: makes the learning rate's course, by epochs, from the optimizer.
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
        """`[2, B, D, S]`: from seed, step and rank alone, so that a resumed run draws what an unbroken one would."""
        step = self.trainer.global_step * self.trainer.world_size + self.trainer.global_rank if self._trainer is not None else 0
        generator = torch.Generator().manual_seed(self.draw_seed + step)
        positions = self.localizer.positions
        return torch.rand(2, videos, positions, positions, generator=generator).to(self.device)

    def configure_optimizers(self) -> Any:
        optimizer = self.optimizer(self.parameters())
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": self.schedule(optimizer), "interval": "epoch"}}


def load_localizer(localizer: BMN, path: Path) -> None:
    """Weights of a checkpoint of ours or of mmaction2's file, by name; nothing in the file is executed.

    Raises:
        InputError: no such file, or not this network's.
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
            expected=f"weights of a network of {localizer.feature_dim} features and these sizes",
            got=f"{path}: {' '.join(str(error).split())[:300]}",
            hint="Set localizer=... to the sizes that it was trained with, and give it features of the same dimension.",
        ) from None
