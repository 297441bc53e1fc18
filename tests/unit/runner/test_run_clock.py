"""The seconds of a run add up over its starts."""

from __future__ import annotations

from types import SimpleNamespace

from vclr_pl.runner.run_clock import SECONDS, RunClock


def trainer(**timings: float) -> SimpleNamespace:
    return SimpleNamespace(callbacks=[SimpleNamespace(timings_seconds=timings), object()])


def clock(*, total: float, fit: float | None) -> RunClock:
    """Of a run that has taken so long."""
    one = RunClock()
    one.started -= total
    if fit is not None:
        one.on_train_start(None, None)
        assert one._fit_started is not None
        one._fit_started -= fit
    return one


def test_a_checkpoint_has_the_seconds_so_far_and_the_next_start_adds_its_own() -> None:
    first, checkpoint = clock(total=100, fit=60), {}  # type: ignore[var-annotated]
    first.on_save_checkpoint(trainer(baseline_evaluation=30.0), None, checkpoint)
    assert {name: round(value) for name, value in checkpoint[SECONDS].items()} == {"total": 100, "fit": 60, "baseline_evaluation": 30}
    second = clock(total=50, fit=None)
    second.on_load_checkpoint(None, None, checkpoint)
    found = second.seconds(trainer(fit=40.0, evaluation=5.0))
    assert {name: round(value) for name, value in found.items()} == {"total": 150, "fit": 100, "baseline_evaluation": 30, "evaluation": 5}


def test_a_checkpoint_of_0_1_0_has_no_seconds() -> None:
    one = clock(total=10, fit=None)
    one.on_load_checkpoint(None, None, {})
    assert round(one.seconds(trainer())["total"]) == 10
