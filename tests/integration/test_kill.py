"""Six kills of `benchmarks/kill.py`, as users' machines do it: each command, started again, ends like one that was never killed."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="kill.py finds processes in /proc")
def test_six_kills() -> None:
    program = [sys.executable, str(BENCHMARKS / "kill.py"), "--fork", "--kills", "6", "--seed", "1"]
    done = subprocess.run(program, capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 of 6 kills end like the undisturbed command" in done.stdout


def ended(folder: Path, *, videos_per_second: float = 1.0, seen: int = 20, **other: Any) -> SimpleNamespace:
    """A command that has ended: its run folder has a checkpoint with parts of each kind."""
    run = folder / "runs" / "demo" / "auto"
    (run / "checkpoints").mkdir(parents=True)
    (folder / "tmp").mkdir()
    monitor = {"dirpath": str(run), "best_k_models": {str(run / "best.ckpt"): torch.tensor(1.0)}}
    checkpoint = {
        "state_dict": {"weight": torch.ones(2)},
        "loops": {"fit_loop": {"combined_loader": [{"epoch": 3, "seen": seen}]}},
        "callbacks": {"Page": {"curves": {"train/videos_per_second": [(1, videos_per_second)], "train/loss": [(1, 2.5)]}}, "Best": monitor},
        "rank_statistics": [{"mean": torch.zeros(2)}, {"mean": torch.ones(2)}],
        "run_seconds": {"total": videos_per_second},
        **other,
    }
    torch.save(checkpoint, run / "checkpoints" / "last.ckpt")
    results = {"metrics": {}, "skipped": [], "provenance": str(run), "timings_seconds": {"fit": videos_per_second}}
    (run / "results.json").write_text(json.dumps(results))
    return SimpleNamespace(folder=folder, runs=folder / "runs", temporary=folder / "tmp")


@pytest.fixture(scope="module")
def differences() -> Any:
    spec = importlib.util.spec_from_file_location("killed_command", BENCHMARKS / "killed_command.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.differences


def test_times_and_paths_may_differ(differences: Any, tmp_path: Path) -> None:
    assert differences(ended(tmp_path / "one"), ended(tmp_path / "other", videos_per_second=2.0)) == []


@pytest.mark.parametrize(
    ("changed", "place"),
    [
        ({"seen": 16}, "checkpoint/loops/fit_loop/combined_loader/0/seen: 20, 16"),
        ({"rank_statistics": [{"mean": torch.zeros(2)}, {"mean": torch.zeros(2)}]}, "checkpoint/rank_statistics/1/mean"),
        ({"callbacks": {}}, "checkpoint/callbacks: ['Best', 'Page'] in one of them alone"),
        ({"epochs_done": [4, 1]}, "checkpoint: ['epochs_done'] in one of them alone"),
    ],
    ids=["place of the loader", "batch norms of another rank", "callbacks", "another key"],
)
def test_every_other_part_of_a_checkpoint_is_compared(differences: Any, tmp_path: Path, changed: dict[str, Any], place: str) -> None:
    assert differences(ended(tmp_path / "one"), ended(tmp_path / "other", **changed)) == [place]
