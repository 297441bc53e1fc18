"""The state of runs, from the files in their folders."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.unit.runner.test_paper_table import planned

from vclr_pl.runner.paper_table import PlannedRun
from vclr_pl.runner.run_ledger import MIB, Ledger, State, identity_of_weights


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


def test_what_identifies_weights(tmp_path: Path) -> None:
    """The first and the last MiB of a file, and of a run folder its encoder."""
    file, content = tmp_path / "last.ckpt", bytearray(3 * MIB)
    found = []
    for place in (None, 0, MIB - 1, 2 * MIB, 3 * MIB - 1):
        if place is not None:
            content[place] += 1
        file.write_bytes(content)
        found.append(identity_of_weights(str(file)))
    file.write_bytes(content + b"0")
    assert len({*found, identity_of_weights(str(file))}) == 6
    folders = [tmp_path / name / "run" for name in ("a", "b", "c")]
    for folder, text in zip(folders, ("one", "two", "one"), strict=True):
        folder.mkdir(parents=True)
        (folder / "results.json").write_text(text)
    first, second, third = (identity_of_weights(str(folder)) for folder in folders)
    assert first == third != second
    (folders[2] / "backbone.safetensors").write_text("other")
    assert identity_of_weights(str(folders[2])) != first
    assert identity_of_weights("hf://owner/name") == "hf://owner/name"


def test_the_time_of_a_run(tmp_path: Path) -> None:
    ledger, runs = ledger_of(tmp_path)
    first, second, third, *_ = runs
    names = [first.name, second.name, third.name, runs[4].name]
    expected = ledger.expected_seconds(runs, measured={})
    assert [expected[name] for name in names] == [25, 25, 25, None]
    assert ledger.expected_seconds(runs, measured={"compare": 5})[runs[4].name] == 5
    finish(ledger, first, seconds=10)
    finish(ledger, second, seconds=20)
    expected = ledger.expected_seconds(runs, measured={"pretrain": 99})
    assert [expected[name] for name in names] == [10, 20, 15, None]
