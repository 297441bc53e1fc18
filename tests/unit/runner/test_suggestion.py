from __future__ import annotations

import pytest

from vclr_pl.runner.suggestion import did_you_mean, nearest_names

KEYS = ["loader.batch_size", "loader.workers", "trainer.max_epochs", "seed", "objective.terms.segment_contrast.temperature"]


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("loader.batchsize", "loader.batch_size"),
        ("sede", "seed"),
        ("trainer.epochs", "trainer.max_epochs"),
        ("objective.terms.segment_contrst.temperature", "objective.terms.segment_contrast.temperature"),
    ],
)
def test_the_nearest_name_comes_first(name, first):
    assert nearest_names(name, KEYS)[0] == first


def test_nothing_near_is_no_suggestion():
    assert nearest_names("xyzzy", KEYS) == []


def test_few_names_are_all_told_where_none_is_near():
    assert did_you_mean("xyzzy", ["b", "a", "a"]) == "There are: a, b."
    assert did_you_mean("xyzzy", [f"name_{number}" for number in range(41)]) == "See --cfg job for all keys."
    assert did_you_mean("sede", KEYS) == "Did you mean seed?"
