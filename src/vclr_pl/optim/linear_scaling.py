"""SGD whose learning rate grows with the global batch (linear scaling rule, Goyal et al. 2017)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from vclr_pl.optim.parameter_group import ParameterGroup


class LinearScaledSGD:
    """Makes the optimizer once the global batch is known: lr x global batch / reference batch.

    Args:
        lr: learning rate at the reference batch.
        reference_batch_size: videos of all devices and accumulated batches together at which `lr` holds.
        momentum, weight_decay: as of `torch.optim.SGD`.
    """

    def __init__(self, *, lr: float, reference_batch_size: int, momentum: float, weight_decay: float) -> None:
        self.lr, self.reference_batch_size, self.momentum, self.weight_decay = lr, reference_batch_size, momentum, weight_decay

    def scaled_lr(self, *, global_batch_size: int) -> float:
        return self.lr * global_batch_size / self.reference_batch_size

    def build(self, *, parameters: Iterable[nn.Parameter], global_batch_size: int) -> torch.optim.Optimizer:
        """The optimizer over `parameters`: one pass over them on a CPU, lists at once elsewhere.

        A fused update unscales the gradients of 16-mixed by itself, so that they cannot be clipped; a CPU has no such precision.
        """
        trained = list(parameters)
        return self._build(trained, trained, global_batch_size=global_batch_size)

    def build_groups(self, *, groups: Iterable[ParameterGroup], global_batch_size: int) -> torch.optim.Optimizer:
        """The same over groups with their own factor on the learning rate, kept as `lr_factor`, with weight decay or without."""
        lr = self.scaled_lr(global_batch_size=global_batch_size)
        described: list[dict[str, Any]] = [
            {
                "params": list(group.parameters),
                "name": group.name,
                "lr_factor": group.lr_factor,
                "lr": lr * group.lr_factor,
                "weight_decay": self.weight_decay if group.decays else 0.0,
            }
            for group in groups
        ]
        trained = [parameter for group in described for parameter in group["params"]]
        return self._build(described, trained, global_batch_size=global_batch_size)

    def _build(self, content: Any, trained: list[nn.Parameter], *, global_batch_size: int) -> torch.optim.Optimizer:
        on_cpu = all(parameter.device.type == "cpu" for parameter in trained)
        optimizer = torch.optim.SGD(
            content,
            lr=self.scaled_lr(global_batch_size=global_batch_size),
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            fused=on_cpu,
            foreach=not on_cpu,
        )
        optimizer._step_supports_amp_scaling = False  # else Lightning refuses to clip under bf16-mixed
        return optimizer
