"""A run that was stopped after any optimizer step ends as one that was not, to the last bit on a CPU."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.integration.interruption import diary
from tests.integration.test_train import SMALL

from vclr_pl.files import usable
from vclr_pl.finetune import finetune
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


def held(videos: int, until: str = "null") -> str:
    return f"decoding={{_target_: tests.integration.interruption.HeldDecoder, videos: {videos}, until: {until}}}"


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


LAYERWISE = ["optimizer=adamw", "parameter_groups=layerwise", "freezing.stages=1", "freezing.norm_statistics=true"]
VARIANTS: dict[str, tuple[list[str], list[int]]] = {
    "no_worker": ([], [1, 5, 8]),  # the 5th is the last of its epoch
    "one_worker": (["loader.workers=1"], [3]),
    "two_workers": (["loader.workers=2"], [7]),
    "accumulation": (["trainer.accumulate_grad_batches=2"], [1, 3]),
    "lars": (["optimizer=lars"], [3]),
    "layers": ([*LAYERWISE, "momentum_encoder.copy_buffers=true", "+momentum_encoder.final_momentum=1.0"], [3]),
    "byol": (["objective=byol"], [3]),
    "neighbors": (["+objective/term@objective.terms.nearest_neighbor=nearest_neighbor"], [3]),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_it_ends_as_the_run_that_was_not_stopped(places: Path, variant: str) -> None:
    options, stops = VARIANTS[variant]
    saved = f"{variant}_saved"
    assert run(train, config_name="train", arguments=arguments(places, saved, *options, saving(places, saved))) == 0
    expected = diary(places / saved)
    if variant == "no_worker":  # saving changes nothing
        assert run(train, config_name="train", arguments=arguments(places, "whole")) == 0
        assert diary(places / "whole") == expected
    for stop in stops:
        name = f"{variant}_{stop}"
        resume = f"resume={places / 'copies' / saved / f'step_{stop:04}.ckpt'}"
        assert run(train, config_name="train", arguments=arguments(places, name, *options, resume)) == 0
        assert diary(places / name) == [line for line in expected if line["step"] > stop or is_accumulated(line, stop, expected)]
        assert_equal_end(last(places, saved), last(places, name))


READING = ["callback.knn_monitor.every_n_epochs=1"]  # after the first of two epochs, of 5 steps each
STOPS = {
    "at the last batch of an epoch": ("SignalledInBatch, step: 5", READING, 5),
    "while videos are read after an epoch": ("SignalledAfterBatch, step: 5", READING, 5),
    "while training waits for a batch": ("SignalledWhileWaiting", ["loader.workers=1", held(12)], 3),
    "while it waits after an epoch without a checkpoint": (  # so the next step is made
        "SignalledWhileWaiting, step: 10, then: PLACES/looked",
        ["loader.workers=1", "trainer.max_epochs=3", "+callback.last_checkpoint.pause_seconds=1000", held(40, until="PLACES/looked")],
        11,
    ),
}


@pytest.mark.parametrize("moment", STOPS)
def test_a_stop_loses_no_step(places: Path, moment: str) -> None:
    """SIGTERM; the run that continues makes what it had to do next, such as the reading after the epoch."""
    signalled, options, step = STOPS[moment]
    signalled, options = signalled.replace("PLACES", str(places)), [option.replace("PLACES", str(places)) for option in options]
    name = moment.replace(" ", "_")
    same = [option for option in options if not option.startswith("decoding")]
    assert run(train, config_name="train", arguments=arguments(places, f"whole_{name}", *same, "decoding=pyav")) == 0
    watched = f"+callback.signalled={{_target_: tests.integration.interruption.{signalled}}}"
    assert run(train, config_name="train", arguments=arguments(places, name, *options, watched)) == 143
    assert last(places, name)["global_step"] == step
    again = f"resume={places / 'runs' / name}"
    assert run(train, config_name="train", arguments=arguments(places, name, *same, "decoding=pyav", again)) == 0
    assert diary(places / name) == diary(places / f"whole_{name}")
    assert_equal_end(last(places, f"whole_{name}"), last(places, name))
    rows, expected = (timeless_rows(places / "runs" / one / "metrics.csv") for one in (name, f"whole_{name}"))
    assert rows == expected


def timeless_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a metrics.csv without speeds."""
    with path.open() as file:
        rows = list(csv.DictReader(file))
    return [{key: value for key, value in row.items() if not key.endswith(("_per_second", "_percent"))} for row in rows]


@pytest.mark.parametrize("processes", [1, 2])
def test_a_killed_run_continues_from_its_last_checkpoint(places: Path, processes: int) -> None:
    """SIGKILL while a thread writes: the file is of an earlier step, and whole. The second start removes the draft."""
    options = ["loader.workers=1", *(["trainer=ddp_cpu", "trainer.precision=32-true", "loader.batch_size=2"] if processes == 2 else [])]
    watched = f"+callback.diary={{_target_: tests.integration.interruption.Diary, path: {places}/KIND_{processes}}}"
    kill = "+callback.kill={_target_: tests.integration.interruption.Kill, step: 8}"
    modules = [str(Path(__file__).parents[2]), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]  # the callbacks are those of the tests
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(modules)}
    folder = places / "runs" / f"killed_{processes}"
    codes = {}
    for kind, more in (("whole", []), ("killed", [kill, "callback.last_checkpoint.every_seconds=0"]), ("rest", [f"resume={folder}"])):
        name = f"whole_{processes}" if kind == "whole" else folder.name
        own = [option for option in arguments(places, name, *options, *more) if not option.startswith("+callback.diary")]
        program = [sys.executable, "-m", "vclr_pl.train", *own, watched.replace("KIND", kind)]
        done = subprocess.run(program, env=environment, capture_output=True, text=True, timeout=600, check=False)
        codes[kind] = done.returncode
        assert kind == "killed" or not done.returncode, done.stdout + done.stderr
        if kind == "killed":
            assert any(usable(folder / "checkpoints" / name) for name in ("last.ckpt", "previous.ckpt")), done.stdout + done.stderr
    assert codes["killed"] == -signal.SIGKILL
    for rank in range(processes):
        expected, rest = (diary(places / f"{kind}_{processes}", rank=rank) for kind in ("whole", "rest"))
        assert rest == expected[-len(rest) :]
        assert len(rest) < len(expected)
    assert_equal_end(last(places, f"whole_{processes}"), last(places, folder.name))
    assert sorted(path.name for path in (folder / "checkpoints").iterdir()) == ["epoch_0001.ckpt", "last.ckpt", "previous.ckpt"]


def test_fine_tuning_continues(places: Path) -> None:
    """With dropout."""
    data = [option for option in SMALL if option.startswith("data.")]
    own = [
        "experiment=finetune/demo",
        "encoder=random",
        "backbone=small_resnet",
        "backbone.widths=[8,16]",
        "trainer=cpu",
        "loader.workers=0",
    ]
    own += [
        *data,
        "transform.size_pixels=32",
        "evaluation_view.crop_pixels=32",
        "evaluation_view.short_side_pixels=32",
        "loader.batch_size=4",
    ]
    own += ["trainer.precision=32-true", "trainer.max_epochs=2", "trainer.log_every_n_steps=1", "bootstrap.resamples=20"]
    paths = [f"paths.data={places / 'data'}", f"paths.runs={places / 'runs'}"]

    def started(name: str, *more: str) -> list[dict[str, Any]]:
        watched = f"+callback.diary={{_target_: tests.integration.interruption.Diary, path: {places / name}}}"
        options = [*own, *paths, f"hydra.run.dir={places / 'runs' / name}", watched, *more]
        assert run(finetune, config_name="finetune", arguments=options) == 0
        return diary(places / name)

    expected = started("tuned", saving(places, "tuned"))
    rest = started("tuned_rest", f"resume={places / 'copies' / 'tuned' / 'step_0003.ckpt'}")
    assert rest == [line for line in expected if line["step"] > 3]
    assert len(rest) == len(expected) - 3


def is_accumulated(line: dict[str, Any], stop: int, lines: list[dict[str, Any]]) -> bool:
    """True for a batch after step `stop` that is only accumulated, so that the count of steps is still `stop`."""
    return line["step"] == stop and lines.index(line) > min(lines.index(other) for other in lines if other["step"] == stop)
