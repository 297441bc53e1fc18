"""Optimizers with the linear scaling rule (Goyal et al. 2017): SGD, AdamW, LARS; and groups of parameters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import nn

from vclr_pl.backbone.stages import stages_of
from vclr_pl.types import InputError


class LinearScaled:
    """Makes the optimizer once the global batch is known: lr x global batch / reference batch.

    Args:
        lr: learning rate at the reference batch.
        reference_batch_size: videos of all devices and accumulated batches together at which `lr` holds.
        weight_decay: as of the optimizer.
        decays_norms_and_biases: false sets the weight decay of parameters with one dimension (norms, biases, class tokens) to 0.
    """

    def __init__(self, *, lr: float, reference_batch_size: int, weight_decay: float, decays_norms_and_biases: bool) -> None:
        self.lr, self.reference_batch_size, self.weight_decay = lr, reference_batch_size, weight_decay
        self.decays_norms_and_biases = decays_norms_and_biases

    def scaled_lr(self, *, global_batch_size: int) -> float:
        return self.lr * global_batch_size / self.reference_batch_size

    def build(self, *, parameters: Iterable[nn.Parameter], global_batch_size: int) -> torch.optim.Optimizer:
        """The optimizer over `parameters`, all alike."""
        group = ParameterGroup(name="all", parameters=tuple(parameters), lr_factor=1.0, decays=True)
        return self.build_groups(groups=[group], global_batch_size=global_batch_size)

    def build_groups(self, *, groups: Iterable[ParameterGroup], global_batch_size: int) -> torch.optim.Optimizer:
        """The optimizer over groups with their own factor on the learning rate, kept as `lr_factor`, with weight decay or without.

        On a CPU one fused pass updates all parameters, elsewhere lists of them at once. A fused update unscales the gradients of 16-mixed
        by itself, so that they cannot be clipped; a CPU has no such precision.
        """
        lr = self.scaled_lr(global_batch_size=global_batch_size)
        described: list[dict[str, Any]] = [
            {
                "params": list(group.parameters),
                "name": group.name,
                "lr_factor": group.lr_factor,
                "lr": lr * group.lr_factor,
                "weight_decay": self.weight_decay if group.decays else 0.0,
            }
            for group in (groups if self.decays_norms_and_biases else _apart(groups))
        ]
        on_cpu = all(parameter.device.type == "cpu" for group in described for parameter in group["params"])
        optimizer = self._optimizer(described, lr=lr, on_cpu=on_cpu)
        optimizer._step_supports_amp_scaling = False  # type: ignore[attr-defined]  # else Lightning refuses to clip under bf16-mixed
        return optimizer

    def _optimizer(self, described: list[dict[str, Any]], *, lr: float, on_cpu: bool) -> torch.optim.Optimizer:
        raise NotImplementedError


class LinearScaledSGD(LinearScaled):
    """SGD, as published.

    Args:
        momentum: as of `torch.optim.SGD`; the others as of `LinearScaled`.
    """

    def __init__(self, *, lr: float, reference_batch_size: int, momentum: float, weight_decay: float) -> None:
        super().__init__(lr=lr, reference_batch_size=reference_batch_size, weight_decay=weight_decay, decays_norms_and_biases=True)
        self.momentum = momentum

    def _optimizer(self, described: list[dict[str, Any]], *, lr: float, on_cpu: bool) -> torch.optim.Optimizer:
        return torch.optim.SGD(described, lr=lr, momentum=self.momentum, weight_decay=self.weight_decay, fused=on_cpu, foreach=not on_cpu)


class LinearScaledAdamW(LinearScaled):
    """AdamW (Loshchilov and Hutter 2019), for transformers and ConvNeXts, and for continued pretraining.

    Args:
        betas: as of `torch.optim.AdamW`; the others as of `LinearScaled`.
    """

    def __init__(
        self, *, lr: float, reference_batch_size: int, weight_decay: float, betas: tuple[float, float], decays_norms_and_biases: bool
    ) -> None:
        super().__init__(
            lr=lr, reference_batch_size=reference_batch_size, weight_decay=weight_decay, decays_norms_and_biases=decays_norms_and_biases
        )
        self.betas = (float(betas[0]), float(betas[1]))

    def _optimizer(self, described: list[dict[str, Any]], *, lr: float, on_cpu: bool) -> torch.optim.Optimizer:
        return torch.optim.AdamW(described, lr=lr, betas=self.betas, weight_decay=self.weight_decay, fused=on_cpu, foreach=not on_cpu)


class LinearScaledLARS(LinearScaled):
    """LARS (You et al. 2017), timm's, for large batches. Parameters without weight decay are not adapted, as in BYOL and SimCLR.

    Args:
        momentum, trust_coefficient: as of `timm.optim.Lars`; the others as of `LinearScaled`.
    """

    def __init__(
        self,
        *,
        lr: float,
        reference_batch_size: int,
        weight_decay: float,
        momentum: float,
        trust_coefficient: float,
        decays_norms_and_biases: bool,
    ) -> None:
        super().__init__(
            lr=lr, reference_batch_size=reference_batch_size, weight_decay=weight_decay, decays_norms_and_biases=decays_norms_and_biases
        )
        self.momentum, self.trust_coefficient = momentum, trust_coefficient

    def _optimizer(self, described: list[dict[str, Any]], *, lr: float, on_cpu: bool) -> torch.optim.Optimizer:  # noqa: ARG002
        from timm.optim.lars import Lars  # half a second, for this optimizer only

        optimizer: torch.optim.Optimizer = Lars(
            described, lr=lr, momentum=self.momentum, weight_decay=self.weight_decay, trust_coeff=self.trust_coefficient
        )
        return optimizer


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters whose learning rate is the optimizer's times `lr_factor`, with its weight decay or without."""

    name: str
    parameters: tuple[nn.Parameter, ...]
    lr_factor: float
    decays: bool


class ParameterGroups(Protocol):
    """A way to divide a network's parameters. Those that ask for no gradient are in no group, nor are empty groups."""

    def of(self, network: nn.Module, *, backbone: nn.Module, head: nn.Linear | None) -> list[ParameterGroup]:
        """The groups of `network`.

        Args:
            backbone: the part of `network` that gives the features; the rest are its heads.
            head: the last layer of a recognition network; None in pretraining.
        """
        ...


class UniformGroups:
    """All alike."""

    def of(self, network: nn.Module, *, backbone: nn.Module, head: nn.Linear | None) -> list[ParameterGroup]:  # noqa: ARG002
        return list(_filled([("all", network.parameters(), 1.0, True)]))


class LayerwiseGroups:
    """A learning rate for every stage of the backbone, lower for early stages (Clark et al. 2020, BEiT), and one for the heads.

    The last stage has factor 1, the stage before it `layer_decay`, the one before that its square.

    Args:
        layer_decay: factor from a stage to the one before it, above 0, at most 1.
        head_lr_factor: factor on the learning rate of everything after the backbone.

    Raises:
        InputError: a factor out of range.
    """

    def __init__(self, *, layer_decay: float, head_lr_factor: float) -> None:
        if not 0 < layer_decay <= 1:
            raise InputError(
                expected="a factor above 0, at most 1",
                got=f"parameter_groups.layer_decay={layer_decay}",
                hint="Set parameter_groups.layer_decay=0.75.",
            )
        if head_lr_factor <= 0:
            raise InputError(
                expected="a factor above 0",
                got=f"parameter_groups.head_lr_factor={head_lr_factor}",
                hint="Set parameter_groups.head_lr_factor=1.",
            )
        self.layer_decay, self.head_lr_factor = layer_decay, head_lr_factor

    def of(self, network: nn.Module, *, backbone: nn.Module, head: nn.Linear | None) -> list[ParameterGroup]:  # noqa: ARG002
        stages = stages_of(backbone)
        last = len(stages) - 1
        of_backbone = [
            (f"stage {place}", parameters, self.layer_decay ** (last - place), True)
            for place, parameters in enumerate(stage.values() for stage in stages)
        ]
        known = {id(parameter) for parameter in backbone.parameters()}
        rest = [parameter for parameter in network.parameters() if id(parameter) not in known]
        return list(_filled([*of_backbone, ("heads", rest, self.head_lr_factor, True)]))


class ShiftedNetworkGroups:
    """TSM's groups (mmaction2 0.11, `TSMOptimizerConstructor` with `fc_lr5`).

    Args:
        head_weight_factor, head_bias_factor: on the learning rate of the last linear layer; its bias does not decay.
        bias_factor: of the biases of convolutions, which do not decay either; batch norms decay never and keep factor 1.
    """

    def __init__(self, *, head_weight_factor: float, head_bias_factor: float, bias_factor: float) -> None:
        self.head_weight_factor, self.head_bias_factor, self.bias_factor = head_weight_factor, head_bias_factor, bias_factor

    def of(self, network: nn.Module, *, backbone: nn.Module, head: nn.Linear | None) -> list[ParameterGroup]:  # noqa: ARG002
        """
        Raises:
            InputError: a layer with parameters that is no convolution, batch norm or linear layer, or a network without a last layer.
        """
        if head is None:
            raise InputError(expected="a recognition network", got="pretraining", hint="Set parameter_groups=uniform.")
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


def _apart(groups: Iterable[ParameterGroup]) -> Iterator[ParameterGroup]:
    """Each group as two: with weight decay, and without for parameters with one dimension."""
    for group in groups:
        flat = [parameter.ndim <= 1 for parameter in group.parameters]
        for name, wanted, decays in ((group.name, False, group.decays), (f"{group.name}, norms and biases", True, False)):
            parameters = tuple(parameter for parameter, is_flat in zip(group.parameters, flat, strict=True) if is_flat == wanted)
            if parameters:
                yield ParameterGroup(name=name, parameters=parameters, lr_factor=group.lr_factor, decays=decays)
