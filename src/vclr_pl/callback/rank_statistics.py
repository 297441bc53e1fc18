"""The batch-norm statistics of every rank in a checkpoint. Each rank has its own, and a checkpoint has the module of rank 0."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as lightning
import torch
from torch import Tensor, nn

from vclr_pl.op.collective import gather_objects

RANK_STATISTICS = "rank_statistics"  # key in checkpoints: by rank, tensors by name


class RankStatistics(lightning.Callback):
    """Keeps the statistics of all ranks. A run on as many ranks continues with those of each; on another number with those of rank 0."""

    def on_save_checkpoint(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, checkpoint: dict[str, Any]) -> None:
        if trainer.world_size > 1:
            checkpoint[RANK_STATISTICS] = gather_objects({name: value.cpu() for name, value in statistics_of(pl_module).items()})

    def on_load_checkpoint(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, checkpoint: dict[str, Any]) -> None:
        stored: list[dict[str, Tensor]] = checkpoint.get(RANK_STATISTICS, [])
        if len(stored) != trainer.world_size:
            return
        own = stored[trainer.global_rank]
        with torch.no_grad():
            for name, value in statistics_of(pl_module).items():
                if name in own:
                    value.copy_(own[name])


def statistics_of(module: nn.Module) -> dict[str, Tensor]:
    """Buffers of the batch norms of a module, by name."""
    return {
        f"{prefix}.{name}": value
        for prefix, layer in module.named_modules()
        if isinstance(layer, nn.modules.batchnorm._NormBase)
        for name, value in layer.named_buffers(recurse=False)
    }
