"""Paths of classes in the keys of kept work: each as in the first release that has the class, so that a move of code keeps the keys."""

from __future__ import annotations

from typing import Any

# A moved class that is part of a key: its present path below vclr_pl, and the one of its first release.
FIRST_PATHS = {
    "localization.bmn.BMN": "downstream.localizer.bmn.BMN",
    "localization.module.LocalizerModule": "downstream.localizer.localizer_module.LocalizerModule",
    "localization.loss.BoundaryMap": "downstream.localizer.boundary_map.BoundaryMap",
    "localization.loss.BMNLoss": "downstream.localizer.bmn_loss.BMNLoss",
    "localization.dataset.SnippetLoader": "data.snippet_dataset.SnippetLoader",
}
PACKAGE = "vclr_pl."


def with_first_paths(node: Any) -> Any:
    """A resolved config with the first path in place of each `_target_`."""
    if isinstance(node, dict):
        return {name: _first_path(value) if name == "_target_" else with_first_paths(value) for name, value in node.items()}
    return [with_first_paths(value) for value in node] if isinstance(node, list) else node


def _first_path(target: str) -> str:
    name = target.removeprefix(PACKAGE)
    return PACKAGE + FIRST_PATHS[name] if name in FIRST_PATHS else target
