"""SGD with the linear scaling rule (Goyal et al. 2017), and groups of parameters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import nn

from vclr_pl.types import InputError


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


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters whose learning rate is the optimizer's times `lr_factor`, with its weight decay or without."""

    name: str
    parameters: tuple[nn.Parameter, ...]
    lr_factor: float
    decays: bool


class ParameterGroups(Protocol):
    """A way to divide a recognition network's parameters. Those that ask for no gradient are in no group, nor are empty groups."""

    def of(self, network: nn.Module, *, head: nn.Linear) -> list[ParameterGroup]: ...


class UniformGroups:
    """All alike."""

    def of(self, network: nn.Module, *, head: nn.Linear) -> list[ParameterGroup]:  # noqa: ARG002
        return list(_filled([("all", network.parameters(), 1.0, True)]))


class ShiftedNetworkGroups:
    """TSM's groups (mmaction2 0.11, `TSMOptimizerConstructor` with `fc_lr5`).

    Args:
        head_weight_factor, head_bias_factor: on the learning rate of the last linear layer; its bias does not decay.
        bias_factor: of the biases of convolutions, which do not decay either; batch norms decay never and keep factor 1.
    """

    def __init__(self, *, head_weight_factor: float, head_bias_factor: float, bias_factor: float) -> None:
        self.head_weight_factor, self.head_bias_factor, self.bias_factor = head_weight_factor, head_bias_factor, bias_factor

    def of(self, network: nn.Module, *, head: nn.Linear) -> list[ParameterGroup]:
        """
        Raises:
            InputError: a layer with parameters that is no convolution, batch norm or linear layer.
        """
        layers = [layer for layer in network.modules() if layer is not head and next(layer.parameters(recurse=False), None) is not None]
        weighted = [layer for layer in layers if isinstance(layer, nn.Conv2d | nn.Linear)]
        norms = [layer for layer in layers if isinstance(layer, nn.modules.batchnorm._BatchNorm)]
        strange = [layer for layer in layers if layer not in weighted and layer not in norms]
        if strange:
            raise InputError(
                expected="convolutions, batch norms and linear layers",
                got=type(strange[0]).__name__,
                hint="Set parameter_groups=uniform.",
            )
        return list(
            _filled(
                [
                    ("convolution weights", (layer._parameters.get("weight") for layer in weighted), 1.0, True),
                    ("convolution biases", (layer._parameters.get("bias") for layer in weighted), self.bias_factor, False),
                    ("batch norms", (parameter for layer in norms for parameter in layer.parameters()), 1.0, False),
                    ("head weight", [head._parameters.get("weight")], self.head_weight_factor, True),
                    ("head bias", [head._parameters.get("bias")], self.head_bias_factor, False),
                ]
            )
        )


def _filled(described: Iterable[tuple[str, Iterable[nn.Parameter | None], float, bool]]) -> Iterator[ParameterGroup]:
    for name, parameters, lr_factor, decays in described:
        trained = tuple(parameter for parameter in parameters if parameter is not None and parameter.requires_grad)
        if trained:
            yield ParameterGroup(name=name, parameters=trained, lr_factor=lr_factor, decays=decays)
