"""Keys hold the path of a class's first release."""

from __future__ import annotations

from vclr_pl.runner.first_path import FIRST_PATHS, with_first_paths


def test_a_moved_class_keeps_its_first_path_at_any_depth() -> None:
    node = {"_target_": "vclr_pl.localization.bmn.BMN", "parts": [{"_target_": "vclr_pl.localization.loss.BMNLoss", "weight": 2}]}
    first = "vclr_pl." + "downstream.localizer."
    assert with_first_paths(node) == {"_target_": f"{first}bmn.BMN", "parts": [{"_target_": f"{first}bmn_loss.BMNLoss", "weight": 2}]}


def test_other_targets_and_values_stay() -> None:
    node = {"_target_": "torch.optim.Adam", "name": "vclr_pl.localization.bmn.BMN", "lr": 0.1, "schedule": None}
    assert with_first_paths(node) == node


def test_each_first_path_is_of_one_class() -> None:
    assert len(set(FIRST_PATHS.values())) == len(FIRST_PATHS)
    assert not FIRST_PATHS.keys() & set(FIRST_PATHS.values())
