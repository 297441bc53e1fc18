"""Values without a meaning are refused; the number of workers is the option, or follows from the cores."""

from __future__ import annotations

from typing import Any

import pytest

from vclr_pl.data.loader_options import LoaderOptions
from vclr_pl.types import InputError

GOOD: dict[str, Any] = {"batch_size": 8, "evaluation_batch_size": 2, "workers": None, "max_broken_fraction": 0.1}


@pytest.mark.parametrize(
    ("name", "value"),
    [("batch_size", 0), ("evaluation_batch_size", 0), ("workers", -1), ("prefetch_batches", 0), ("max_broken_fraction", 1.5)],
)
def test_values_without_a_meaning_are_refused(name: str, value: float) -> None:
    with pytest.raises(InputError, match=f"loader.{name}"):
        LoaderOptions(**{**GOOD, name: value})


def test_workers_are_the_option_or_follow_from_the_cores() -> None:
    assert LoaderOptions(**{**GOOD, "workers": 3}).worker_count(cores=16, batches=100) == 3
    assert LoaderOptions(**{**GOOD, "workers": 0}).worker_count(cores=16, batches=100) == 0
    assert LoaderOptions(**GOOD).worker_count(cores=16, batches=2) <= 2
