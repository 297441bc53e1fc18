"""The stages of a backbone in the order of its layers: for learning rates by stage, and for frozen first stages.

timm's networks say themselves which parameters belong together. For other networks a stage is a child with parameters; where these are
few, the one that holds most of the parameters is divided into its own children.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

NORMS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm)
FEWEST = 4  # with fewer stages, the largest is divided
LARGE_SHARE = 0.5  # of the parameters: only a stage with more is divided

Stage = dict[str, nn.Parameter]


def stages_of(backbone: Any) -> list[Stage]:
    """Parameters by name, stage by stage, from the input to the features; each parameter is in one stage.

    The first stage is the stem, with the parameters of the backbone itself, such as tokens and position embeddings.
    """
    matcher: Callable[..., Any] | None = getattr(backbone, "group_matcher", None)
    return _by_children(backbone) if matcher is None else _by_matcher(backbone, matcher)


def modules_of(backbone: nn.Module, stages: list[Stage]) -> list[nn.Module]:
    """The modules whose own parameters are all in these stages, such as their norms; a norm without parameters is where the module before
    it is.
    """
    names = {name for stage in stages for name in stage}
    found, is_before = [], False
    for prefix, module in backbone.named_modules():
        own = [f"{prefix}.{name}" if prefix else name for name, _ in module.named_parameters(recurse=False)]
        if own:
            is_before = names.issuperset(own)
        if is_before and (own or isinstance(module, NORMS)):
            found.append(module)
    return found


def _by_matcher(backbone: Any, matcher: Callable[..., Any]) -> list[Stage]:
    from timm.models import group_parameters  # half a second, for timm's networks only

    parameters = dict(backbone.named_parameters())
    grouped = group_parameters(backbone, matcher(coarse=True))
    stages: list[Stage] = []
    for number in sorted(grouped):
        own = {name: parameters[name] for name in grouped[number]}
        if stages and all(_is_norm(backbone, name) for name in own):
            stages[-1] |= own  # as ConvNeXt's last norm
        else:
            stages.append(own)
    return stages


def _is_norm(backbone: nn.Module, parameter: str) -> bool:
    return isinstance(backbone.get_submodule(parameter.rpartition(".")[0]), NORMS)


def _by_children(backbone: nn.Module) -> list[Stage]:
    parameters = dict(backbone.named_parameters())
    whole = sum(parameter.numel() for parameter in parameters.values())
    stages: list[Stage] = []
    for prefix, child in _divided(backbone, whole=whole):
        own = {f"{prefix}.{name}": parameter for name, parameter in child.named_parameters()}
        if stages and all(isinstance(module, NORMS) for module in child.modules()):
            stages[-1] |= own  # a norm belongs to the layer before it
        else:
            stages.append(own)
    placed = {name for stage in stages for name in stage}
    rest = {name: parameter for name, parameter in parameters.items() if name not in placed}
    if not stages:
        return [rest] if rest else []
    return [rest | stages[0], *stages[1:]]


def _divided(backbone: nn.Module, *, whole: int) -> list[tuple[str, nn.Module]]:
    """The children with parameters, by name. While they are few, the one that holds most of the parameters is divided."""
    children = _children(backbone, prefix="")
    while len(children) < FEWEST:
        sizes = [sum(parameter.numel() for parameter in child.parameters()) for _, child in children]
        largest = max(range(len(children)), key=sizes.__getitem__, default=None)
        if largest is None or sizes[largest] <= LARGE_SHARE * whole:
            break
        parts = _children(children[largest][1], prefix=f"{children[largest][0]}.")
        if not parts:
            break
        children[largest : largest + 1] = parts
    return children


def _children(module: nn.Module, *, prefix: str) -> list[tuple[str, nn.Module]]:
    children = [(f"{prefix}{name}", child) for name, child in module.named_children()]
    return [(name, child) for name, child in children if any(True for _ in child.parameters())]
