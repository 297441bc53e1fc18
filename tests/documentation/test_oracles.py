"""The tables of docs/benchmark.md have the figures of benchmarks/oracles.py, and its snippets are the ground truth."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def oracles() -> ModuleType:
    spec = importlib.util.spec_from_file_location("oracles", ROOT / "benchmarks" / "oracles.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_row_is_on_the_page(oracles: ModuleType) -> None:
    """A row of the page may have further columns."""
    lines = (ROOT / "docs" / "benchmark.md").read_text().splitlines()
    rows = [row for row in oracles.table() if row.startswith("| ") and "data.task" not in row and "AUC" not in row]
    assert len(rows) == 7
    for row in rows:
        assert [line for line in lines if line.startswith(row.removesuffix(" |"))], f"{row} is not in docs/benchmark.md"


def test_true_segments_are_all_recalled_and_precise(oracles: ModuleType) -> None:
    blind, whole = oracles.untrimmed_metrics(oracles.settings_of_demo()).values()
    assert whole["ar_100"] == whole["map"] == pytest.approx(100.0)
    assert all(blind[name] < whole[name] for name in ("auc", "ar_100", "map"))


def test_snippets_have_the_class_of_their_center(oracles: ModuleType, tmp_path: Path) -> None:
    settings = oracles.settings_of_demo()
    oracles.write_snippets(tmp_path, settings)
    entries, scores = oracles.annotations(settings), json.loads((tmp_path / "classes.json").read_text())
    labels = sorted({label for score in scores.values() for label in score})
    for identity, entry in entries.items():
        features = np.load(tmp_path / f"{identity}.npy")
        assert (features.sum(axis=1) == 1).all()
        events = sum(end - start for start, end in (event["segment"] for event in entry["annotations"]))
        column = 1 + labels.index(next(iter(scores[identity])))
        assert abs(features[:, column].sum() * 8 / 15 - events) <= 8 / 15 * (len(entry["annotations"]) + 1)
        assert features[:, [0, column]].sum() == len(features)
