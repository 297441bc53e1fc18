"""What pretraining leaves as it is at the start: batch-norm statistics, and first stages."""

from __future__ import annotations

from torch import nn

from vclr_pl.backbone.stages import modules_of, stages_of
from vclr_pl.types import InputError

BATCH_NORM = nn.modules.batchnorm._BatchNorm


class Freezing:
    """Fixes parts of the query encoder's and the momentum encoder's backbone.

    Args:
        stages: number of first stages whose parameters and statistics do not change; the stem is the first.
        norm_statistics: true normalizes with the statistics of the start, in training too, in every batch norm of the backbone. A
            batch norm in training mode normalizes with the statistics of augmented frames, and averages them into those that
            evaluation uses: features of good weights get worse without any step.

    Raises:
        InputError: a negative number of stages.
    """

    def __init__(self, *, stages: int, norm_statistics: bool) -> None:
        if stages < 0:
            raise InputError(expected="0 stages or more", got=f"freezing.stages={stages}", hint="Set freezing.stages=0.")
        self.stages, self.norm_statistics = stages, norm_statistics

    def fix(self, backbone: nn.Module, *, copies_statistics: bool) -> None:
        """Ask for no gradient of the first stages. Call before the optimizer is made.

        Args:
            copies_statistics: the momentum encoder starts from the query encoder's statistics.

        Raises:
            InputError: no stage is left to train, or the momentum encoder would keep statistics that are not the start's.
        """
        if not self.stages and not self.norm_statistics:
            return
        if not copies_statistics:
            raise InputError(
                expected="a momentum encoder with the batch-norm statistics of the start",
                got="momentum_encoder.copy_buffers=false with frozen statistics",
                hint="Set momentum_encoder.copy_buffers=true.",
            )
        stages = stages_of(backbone)
        if self.stages >= len(stages):
            raise InputError(
                expected=f"fewer frozen stages than the {len(stages)} of the backbone",
                got=f"freezing.stages={self.stages}",
                hint=f"Set freezing.stages={len(stages) - 1} or less.",
            )
        for stage in stages[: self.stages]:
            for parameter in stage.values():
                parameter.requires_grad_(False)

    def hold_statistics(self, backbone: nn.Module) -> None:
        """Set the batch norms that do not change to evaluation mode, after `train()` has set all to training mode."""
        if self.norm_statistics:
            norms = list(backbone.modules())
        else:
            norms = modules_of(backbone, stages_of(backbone)[: self.stages]) if self.stages else []
        for layer in norms:
            if isinstance(layer, BATCH_NORM):
                layer.eval()
