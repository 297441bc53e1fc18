"""Which parameters learn faster than others, and which do not decay."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from torch import nn

from vclr_pl.types import InputError


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
                remedy="Set parameter_groups=uniform.",
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
