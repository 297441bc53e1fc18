"""Configs of earlier versions load, and keys of kept work hold the path of a class's first release."""

from __future__ import annotations

import pytest
from hydra.utils import get_object
from omegaconf import OmegaConf

from vclr_pl.objective.terms import WeightedSum
from vclr_pl.runner.moved_path import FIRST_PATHS, PRESENT_PATHS, use_present_paths, with_first_paths
from vclr_pl.runner.python_call import composed_node


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


@pytest.mark.parametrize("present", sorted(set(PRESENT_PATHS.values())))
def test_a_present_path_names_something(present: str) -> None:
    assert callable(get_object(present))


def test_earlier_paths_are_replaced_wherever_they_are() -> None:
    old, new = "vclr_pl.encoder.negative_queue.NegativeQueue", "vclr_pl.encoder.momentum_contrast.NegativeQueue"
    config = OmegaConf.create(
        {
            "queue": {"a.b": {"_target_": old, "length": "???"}},
            "listed": [{"_target_": old}],
            "same": "${queue}",
            "other": None,
            "name": old,
        }
    )
    OmegaConf.set_struct(config, True)
    use_present_paths(config)
    assert OmegaConf.to_container(config) == {
        "queue": {"a.b": {"_target_": new, "length": "???"}},
        "listed": [{"_target_": new}],
        "same": "${queue}",
        "other": None,
        "name": old,
    }


@pytest.mark.parametrize("of_term", ["temporal_order", "terms"])
def test_an_objective_written_for_an_earlier_version_is_built(of_term: str) -> None:
    term = f"{{_target_: vclr_pl.objective.{of_term}.TemporalOrder, weight: 1.0, segments: 3, dim: 8, normalize_over: feature}}"
    objective = f"objective={{_target_: vclr_pl.objective.weighted_sum.WeightedSum, terms: {{order: {term}}}}}"
    built = composed_node("objective", config_name="train", options={}, overrides=[objective])
    assert isinstance(built, WeightedSum)
    assert built.heads == ("order",)
