"""Paths of classes and functions that moved: configs written for earlier versions load, and keys of kept work stay the same."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterator
from typing import Any

from omegaconf import DictConfig, OmegaConf

PACKAGE = "vclr_pl."
# The present path below vclr_pl, and the earlier ones, the one of the first release first.
MOVED = {
    "backbone.resnet.resnet": ("backbone.resnet2d.resnet", "backbone.torchvision.resnet"),
    "backbone.resnet.clip_network": ("backbone.clip_network.clip_network", "backbone.torchvision.clip_network"),
    "backbone.resnet.SmallResNet": ("backbone.small_resnet.SmallResNet",),
    "encoder.momentum_contrast.MomentumEncoder": ("encoder.momentum_encoder.MomentumEncoder",),
    "encoder.momentum_contrast.NegativeQueue": ("encoder.negative_queue.NegativeQueue",),
    "objective.terms.InterFrame": ("objective.inter_frame.InterFrame", "objective.contrast.InterFrame"),
    "objective.terms.IntraFrame": ("objective.intra_frame.IntraFrame", "objective.contrast.IntraFrame"),
    "objective.terms.SegmentContrast": ("objective.segment_contrast.SegmentContrast", "objective.contrast.SegmentContrast"),
    "objective.terms.TemporalOrder": ("objective.temporal_order.TemporalOrder",),
    "objective.terms.WeightedSum": ("objective.weighted_sum.WeightedSum",),
    "datasets.demo.drawing.Appearance": ("datasets.demo.rendering.Appearance",),
    "localization.bmn.BMN": ("downstream.localizer.bmn.BMN",),
    "localization.module.LocalizerModule": ("downstream.localizer.localizer_module.LocalizerModule",),
    "localization.loss.BoundaryMap": ("downstream.localizer.boundary_map.BoundaryMap",),
    "localization.loss.BMNLoss": ("downstream.localizer.bmn_loss.BMNLoss",),
    "localization.dataset.SnippetLoader": ("data.snippet_dataset.SnippetLoader",),
}
FIRST_PATHS = {f"{PACKAGE}{present}": f"{PACKAGE}{earlier[0]}" for present, earlier in MOVED.items()}
PRESENT_PATHS = {f"{PACKAGE}{path}": f"{PACKAGE}{present}" for present, earlier in MOVED.items() for path in earlier}


def use_present_paths(config: DictConfig) -> None:
    """Replace each `_target_` of an earlier version in place."""
    for keys, target in _targets(OmegaConf.to_container(config, resolve=False), ()):
        if target in PRESENT_PATHS:
            functools.reduce(operator.getitem, keys, config)["_target_"] = PRESENT_PATHS[target]


def with_first_paths(node: Any) -> Any:
    """A resolved config with the path of the first release in place of each `_target_`, for the key of kept work."""
    if isinstance(node, dict):
        return {name: FIRST_PATHS.get(value, value) if name == "_target_" else with_first_paths(value) for name, value in node.items()}
    return [with_first_paths(value) for value in node] if isinstance(node, list) else node


def _targets(node: Any, keys: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], str]]:
    """Each `_target_` of an unresolved config, with the keys of its node."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        if key == "_target_" and isinstance(value, str):
            yield keys, value
        else:
            yield from _targets(value, (*keys, key))
