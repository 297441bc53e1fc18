"""The published temporal shift, number by number."""

from __future__ import annotations

import math
from typing import Any

import pytest
from tests.parity import recipe
from tests.parity.fixture import fixtures_with

from vclr_pl.backbone.temporal_shift import temporal_shift

FIXTURES = fixtures_with("tsm_shift")


def test_fixtures_were_found() -> None:
    assert FIXTURES


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.rsplit("/", 1)[-1])
def test_the_shift_agrees(path: str) -> None:
    case: dict[str, Any] = FIXTURES[path]["tsm_shift"]
    frames = recipe.draw("tsm", tuple(case["shape"]), case["salt"])
    flat = temporal_shift(frames, segments=case["num_segments"], divisor=case["shift_div"]).reshape(-1)
    expected = case["out"]
    assert flat.numel() == expected["numel"]
    assert flat[: len(expected["head"])].tolist() == pytest.approx(expected["head"], rel=1e-9, abs=0)
    assert flat[-len(expected["tail"]) :].tolist() == pytest.approx(expected["tail"], rel=1e-9, abs=0)
    assert math.isclose(float(flat.norm()), expected["norm"], rel_tol=1e-9)
    assert math.isclose(float(flat.sum()), expected["sum"], rel_tol=1e-9)
