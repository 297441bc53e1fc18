"""A run that was stopped after any optimizer step ends as one that was not, to the last bit on a CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.integration.interruption import diary
from tests.integration.test_train import SMALL

from vclr_pl.runner.run import run
from vclr_pl.train import train

STEPS = 10  # two epochs of 20 videos, 4 a batch
QUIET = ["evaluation.enabled=false", "callback.knn_monitor.every_n_epochs=0", "page=null", "trainer.max_epochs=2"]


def arguments(places: Path, name: str, *more: str) -> list[str]:
    paths = [f"paths.data={places / 'data'}", f"paths.runs={places / 'runs'}", f"hydra.run.dir={places / 'runs' / name}"]
    watched = f"+callback.diary={{_target_: tests.integration.interruption.Diary, path: {places / name}}}"
    return [*SMALL, *QUIET, *paths, watched, *more]


def saving(places: Path, name: str) -> str:
    return f"+callback.copies={{_target_: tests.integration.interruption.Copies, folder: {places / 'copies' / name}}}"


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("continued")


def last(places: Path, name: str) -> dict[str, Any]:
    checkpoint: dict[str, Any] = torch.load(places / "runs" / name / "checkpoints" / "last.ckpt", weights_only=True)
    return checkpoint


def assert_equal_end(expected: dict[str, Any], found: dict[str, Any]) -> None:
    """Everything in the checkpoint but times, and paths of the run folder."""
    for name in ("epoch", "global_step", "state_dict", "optimizer_states", "lr_schedulers", "loops", "epochs_done", "VideoDataModule"):
        assert_equal(expected[name], found[name], name)
    for name in ("CollapseMonitor", "RunSummary", "RunPageWriter"):
        assert_equal(without_times(expected["callbacks"][name]), without_times(found["callbacks"][name]), name)


def without_times(value: Any) -> Any:
    """Without speeds, and without RankMe, which the run page computes when there is time for it."""
    if isinstance(value, dict):
        kept = {name: part for name, part in value.items() if not str(name).endswith(("_per_second", "_percent"))}
        return {name: without_times(part) for name, part in kept.items() if not str(name).startswith("rank/")}
    return [without_times(part) for part in value] if isinstance(value, list) else value


def assert_equal(expected: Any, found: Any, place: str) -> None:
    if isinstance(expected, torch.Tensor):
        assert torch.equal(expected, found), place
    elif isinstance(expected, dict):
        assert set(expected) == set(found), place
        for name, value in expected.items():
            assert_equal(value, found[name], f"{place}.{name}")
    elif isinstance(expected, list | tuple):
        assert len(expected) == len(found), place
        for number, value in enumerate(expected):
            assert_equal(value, found[number], f"{place}.{number}")
    else:
        assert expected == found or expected != expected, place


VARIANTS: dict[str, tuple[list[str], list[int]]] = {
    "no_worker": ([], [1, 5, 8]),  # the 5th is the last of its epoch
    "one_worker": (["loader.workers=1"], [3]),
    "two_workers": (["loader.workers=2"], [7]),
    "accumulation": (["trainer.accumulate_grad_batches=2"], [1, 3]),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_it_ends_as_the_run_that_was_not_stopped(places: Path, variant: str) -> None:
    options, stops = VARIANTS[variant]
    whole = f"{variant}_whole"
    assert run(train, config_name="train", arguments=arguments(places, whole, *options)) == 0
    expected = diary(places / whole)
    saved = f"{variant}_saved"
    assert run(train, config_name="train", arguments=arguments(places, saved, *options, saving(places, saved))) == 0
    assert diary(places / saved) == expected  # saving changes nothing
    for stop in stops:
        name = f"{variant}_{stop}"
        resume = f"resume={places / 'copies' / saved / f'step_{stop:04}.ckpt'}"
        assert run(train, config_name="train", arguments=arguments(places, name, *options, resume)) == 0
        assert diary(places / name) == [line for line in expected if line["step"] > stop or is_accumulated(line, stop, expected)]
        assert_equal_end(last(places, whole), last(places, name))


def is_accumulated(line: dict[str, Any], stop: int, lines: list[dict[str, Any]]) -> bool:
    """True for a batch after step `stop` that is only accumulated, so that the count of steps is still `stop`."""
    return line["step"] == stop and lines.index(line) > min(lines.index(other) for other in lines if other["step"] == stop)
