"""A second evaluation of the same shows the stored figures before torch is imported."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.integration.test_fast_commands import ended
from tests.unit.features.pretrained_file import write_run
from tests.video_fixture import write_video

from vclr_pl import evaluate

STORED = "stored by an earlier evaluation"
QUICK = ["trainer=cpu", "loader.workers=0", "protocol.frames=2", "decoding=pyav", "evaluation=[retrieval]", "bootstrap.resamples=20"]


def evaluated(place: Path, name: str, *more: str, **variables: str) -> tuple[list[str], str, dict[str, object]]:
    """Which slow packages the command imported, what it printed, and its results."""
    arguments = [f"encoder={place / 'run'}", f"data.root={place / 'set'}", f"hydra.run.dir={place / 'runs' / name}", *QUICK, *more]
    code, imported, shown, lines = ended("evaluate", *arguments, folder=place, **variables)
    assert code == 0, lines
    return imported, shown, json.loads((place / "runs" / name / "results.json").read_text())


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, object]]:
    place = tmp_path_factory.mktemp("again")
    write_run(place / "run")
    for split in ("train", "test"):
        for label, frames in (("dark", 4), ("long", 24)):
            for number in range(2):
                write_video(place / "set" / split / label / f"{number}.mp4", frames=frames + number)
    _, shown, results = evaluated(place, "first")
    assert STORED not in shown
    assert "GPU available" not in shown
    assert "Tip:" not in shown
    return place, results


def test_the_same_is_shown_at_once(first: tuple[Path, dict[str, object]]) -> None:
    place, results = first
    imported, shown, again = evaluated(place, "same", "name=same")
    assert (imported, shown.count(STORED)) == ([], 1)
    assert again == {**results, "name": "same"}
    assert (place / "runs/same/retrieval.html").read_bytes() == (place / "runs/first/retrieval.html").read_bytes()
    assert "retrieval R@1" in shown
    assert (place / "runs/same/config.yaml").is_file()


def test_and_is_computed_where_this_is_asked_for(first: tuple[Path, dict[str, object]]) -> None:
    place, results = first
    imported, shown, again = evaluated(place, "anew", "recompute=true")
    assert "torch" in imported
    assert STORED not in shown
    assert (again["metrics"], again["intervals"]) == (results["metrics"], results["intervals"])


def test_from_python_too(first: tuple[Path, dict[str, object]], monkeypatch: pytest.MonkeyPatch) -> None:
    place, results = first
    monkeypatch.chdir(place)
    result = evaluate(encoder=place / "run", data={"root": place / "set"}, overrides=QUICK)
    assert result.metrics == results["metrics"]
    assert STORED in (result.folder / "evaluate.log").read_text()
