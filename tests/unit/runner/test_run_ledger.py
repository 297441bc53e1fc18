"""The state of runs, from the files in their folders."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.runner.test_paper_table import planned

from vclr_pl.runner.paper_table import PlannedRun
from vclr_pl.runner.run_ledger import Ledger, State
from vclr_pl.types import InputError


def ledger_of(folder: Path, **options: list[str]) -> tuple[Ledger, list[PlannedRun]]:
    runs = planned(**options)
    return Ledger(folder, {run.name: run for run in runs}, {}), runs


def finish(ledger: Ledger, run: PlannedRun, *, seconds: float) -> None:
    ledger.begin(run)
    (ledger.folder / run.name / "results.json").write_text("{}")
    ledger.end(run, seconds=seconds, finished=True, failure=None)


def test_the_states_of_a_run(tmp_path: Path) -> None:
    ledger, (run, *_) = ledger_of(tmp_path)
    assert ledger.state(run) is State.TO_DO
    ledger.begin(run)
    assert ledger.state(run) is State.BEGUN
    ledger.end(run, seconds=3, finished=False, failure="no disk")
    assert ledger.state(run) is State.FAILED
    finish(ledger, run, seconds=4)
    assert ledger.state(run) is State.FINISHED
    entry = ledger.read(run)
    assert entry is not None
    assert entry.seconds == 7  # of both starts
    (tmp_path / run.name / "results.json").unlink()
    assert ledger.state(run) is State.BEGUN


def test_other_options_are_said_and_put_aside(tmp_path: Path) -> None:
    ledger, (run, *_) = ledger_of(tmp_path)
    finish(ledger, run, seconds=1)
    later, (other, *_) = ledger_of(tmp_path, train=["optimizer.lr=1", "data.task=shape"])
    assert later.state(other) is State.CHANGED
    assert later.change(other) == "data.task=order there, data.task=shape optimizer.lr=1 now"
    assert later.put_aside(other) == tmp_path / f"{run.name}.1"
    assert later.state(other) is State.TO_DO
    later.begin(other)
    assert later.put_aside(other).name == "seed_0.2"


def test_a_repeated_run_does_not_keep_the_seconds_of_another(tmp_path: Path) -> None:
    ledger, (run, *_) = ledger_of(tmp_path)
    finish(ledger, run, seconds=9)
    assert ledger.begin(replace(run, words=(*run.words, "optimizer.lr=1"))).seconds == 0


def test_other_weights_of_the_same_name_are_another_run(tmp_path: Path) -> None:
    paths = [tmp_path / folder / "last.ckpt" for folder in ("a", "b", "c")]
    for path, text in zip(paths, (b"one", b"two", b"one"), strict=True):
        path.parent.mkdir()
        path.write_bytes(text)
    runs = {run.name: run for run in planned()}
    with_weights = runs["pretrain/order/vclr/seed_0"]
    first, second, copy = (Ledger(tmp_path / "runs", runs, {"moco_v2": str(path)}) for path in paths)
    finish(first, with_weights, seconds=1)
    assert [ledger.state(with_weights) for ledger in (first, second, copy)] == [State.FINISHED, State.CHANGED, State.FINISHED]
    without = replace(with_weights, words=tuple(word for word in with_weights.words if "weights." not in word))
    assert first.identity(without) == second.identity(without) == Ledger(tmp_path, runs, {}).identity(without)


def shorter(folder: Path, **roots: str) -> tuple[Ledger, PlannedRun, PlannedRun]:
    """A training that needs a folder of videos, and the comparison that needs the training."""
    needed, other, *_, compare = planned()[:5]
    compare = replace(compare, needs=(needed.name,))
    return Ledger(folder, {run.name: run for run in (needed, other, compare)}, {}, roots), needed, compare


def test_results_of_another_encoder_are_not_finished(tmp_path: Path) -> None:
    """An encoder that is deleted, trained again with other weights, or with the same."""
    ledger, needed, compare = shorter(tmp_path)
    weights = tmp_path / needed.name / "backbone.safetensors"
    finish(ledger, needed, seconds=1)
    weights.write_text("first")
    finish(ledger, compare, seconds=1)
    assert ledger.state(compare) is State.FINISHED
    shutil.rmtree(tmp_path / needed.name)
    assert (ledger.state(needed), ledger.state(compare)) == (State.TO_DO, State.CHANGED)
    assert ledger.change(compare) == f"{needed.name}, which it needs, has to be done again"
    finish(ledger, needed, seconds=1)
    weights.write_text("second")
    assert (ledger.state(compare), ledger.change(compare)) == (State.CHANGED, f"{needed.name} has been done again")
    weights.write_text("first")
    assert (ledger.state(compare), ledger.change(compare)) == (State.FINISHED, None)


def test_results_on_other_videos_are_not_finished(tmp_path: Path) -> None:
    """A moved folder is the same, more videos are not; runs that need the training change too."""
    runs, subset, full = tmp_path / "runs", tmp_path / "subset", tmp_path / "full"
    for folder, count in ((subset, 2), (full, 3)):
        folder.mkdir()
        for number in range(count):
            (folder / f"{number}.mp4").write_text("video")
    ledger, needed, compare = shorter(runs, ucf101=str(subset))
    finish(ledger, needed, seconds=1)
    finish(ledger, compare, seconds=1)
    moved, *_ = shorter(runs, ucf101=str(subset.rename(tmp_path / "moved")))
    assert [moved.state(run) for run in (needed, compare)] == [State.FINISHED, State.FINISHED]
    other, *_ = shorter(runs, ucf101=str(full))
    assert [other.state(run) for run in (needed, compare)] == [State.CHANGED, State.CHANGED]
    assert re.fullmatch(r"roots.ucf101 with 2 files \w+ there, 3 files \w+ now", str(other.change(needed)))
    without, *_ = shorter(runs)
    assert without.state(compare) is State.FINISHED


def test_entries_without_inputs_are_kept(tmp_path: Path) -> None:
    """Those of runs that were done before entries had them."""
    ledger, needed, compare = shorter(tmp_path, ucf101=str(tmp_path))
    for run in (needed, compare):
        finish(ledger, run, seconds=1)
        entry = ledger.read(run)
        assert entry is not None
        assert entry.inputs
        ledger.write(run, replace(entry, inputs={}))
    assert ledger.state(compare) is State.FINISHED


def test_a_run_that_failed_at_once_has_no_work(tmp_path: Path) -> None:
    ledger, needed, _ = shorter(tmp_path)
    ledger.begin(needed)
    assert ledger.has_work(needed)
    ledger.end(needed, seconds=1, finished=False, failure="no videos")
    assert not ledger.has_work(needed)
    (tmp_path / needed.name / "last.ckpt").touch()
    assert ledger.has_work(needed)


@pytest.mark.parametrize("content", ['{"command": "train", "opt', "[1]", '{"options": []}'])
def test_a_broken_entry_is_named(content: str, tmp_path: Path) -> None:
    ledger, (run, *_) = ledger_of(tmp_path)
    ledger.begin(run)
    (tmp_path / run.name / "reproduced_run.json").write_text(content)
    with pytest.raises(InputError, match=f"got {tmp_path}/{run.name}/reproduced_run.json, which cannot be read. Remove"):
        ledger.state(run)


def test_the_time_of_a_run(tmp_path: Path) -> None:
    ledger, runs = ledger_of(tmp_path)
    first, second, third, fourth, *_ = runs
    names = [first.name, second.name, third.name, runs[4].name]
    expected = ledger.expected_seconds(runs, measured={})
    assert [expected[name] for name in names] == [25, 25, 25, None]
    assert ledger.expected_seconds(runs, measured={"compare": 5})[runs[4].name] == 5
    finish(ledger, first, seconds=10)
    finish(ledger, second, seconds=20)
    expected = ledger.expected_seconds(runs, measured={"pretrain": 99})
    assert [expected[name] for name in names] == [10, 20, 15, None]

    finish(ledger, third, seconds=1500)  # it was stopped overnight: one such run does not change what the others are expected to take
    assert ledger.expected_seconds(runs, measured={})[fourth.name] == 20
