"""Proposals through a real trainer: journaled, gone on with, thrown away when they are of another network."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as lightning
import torch
from tests.unit.localization.networks import FEATURES, POSITIONS, small_bmn
from torch.utils.data import DataLoader

from vclr_pl.localization.dataset import SnippetBatch
from vclr_pl.localization.prediction import Proposing
from vclr_pl.localization.proposals import ProposalMaker
from vclr_pl.localization.scores import LocalizationScoring
from vclr_pl.types import InputError

VIDEOS = ("a", "b", "c")


def loader(indices: Sequence[int]) -> DataLoader[Any]:
    def collate(rows: list[int]) -> SnippetBatch:
        drawn = [torch.randn(FEATURES, POSITIONS, generator=torch.Generator().manual_seed(row)) for row in rows]
        return SnippetBatch(torch.stack(drawn), (torch.zeros(0, 2),) * len(rows), torch.tensor(rows))

    return DataLoader(list(indices), batch_size=2, collate_fn=collate)  # type: ignore[arg-type]


def proposing(tmp_path: Path) -> Proposing:
    maker = ProposalMaker(likely_fraction=0.5, alpha=0.4, low_threshold=0.5, high_threshold=0.9, maximum_proposals=5)
    return Proposing(maker=maker, scoring=LocalizationScoring(classes_per_video=1), folder=str(tmp_path / "proposals"))


def run(tmp_path: Path, *, made_of: str = "one", seed: int = 0, videos: Sequence[str] = VIDEOS) -> dict[str, Any]:
    trainer = lightning.Trainer(
        accelerator="cpu", devices=1, logger=False, enable_progress_bar=False, enable_model_summary=False, default_root_dir=tmp_path
    )
    proposing(tmp_path).propose(
        localizer=small_bmn(seed=seed),
        loader=loader,
        covered_seconds=dict.fromkeys(VIDEOS, 30.0),
        identities=videos,
        made_of=made_of,
        trainer=trainer,
    )
    found: dict[str, Any] = json.loads((tmp_path / "proposals" / "proposals.json").read_text())["results"]
    return found


def test_every_video_has_its_proposals(tmp_path: Path) -> None:
    found = run(tmp_path)
    assert list(found) == ["a", "b", "c"]
    assert all(len(rows) == 5 for rows in found.values())
    curves = proposing(tmp_path).proposed()["b"]
    assert (len(curves.start), len(curves.end)) == (POSITIONS, POSITIONS)
    assert found["a"] != found["b"]


def test_it_goes_on_after_the_last_video(tmp_path: Path) -> None:
    run(tmp_path, videos=["a", "b"])
    journal = tmp_path / "proposals" / "proposals_00000.jsonl"
    before = journal.read_text() + '\n{"video": "c", "propo'  # half a line of a run that was killed
    journal.write_text(before)
    found = run(tmp_path)
    assert journal.read_text().startswith(before)
    assert list(found) == ["a", "b", "c"]


def test_proposals_of_another_network_are_thrown_away(tmp_path: Path) -> None:
    first = run(tmp_path)
    assert run(tmp_path, seed=1) == first  # said to be the same
    assert run(tmp_path, made_of="another", seed=1) != first


def test_figures_stand_beside_evenly_spaced_ones(tmp_path: Path) -> None:
    run(tmp_path)
    best = proposing(tmp_path).proposed()["a"].proposals[0]
    truth = {"a": [("jump", best[0], best[1])]}
    found = proposing(tmp_path).figures(truth=truth, class_scores=None, durations_seconds={"a": 30.0})
    assert found.metrics["ar_1"] == 100.0
    assert set(found.baseline) == set(found.metrics)
    with pytest.raises(InputError, match="videos with true segments"):
        proposing(tmp_path).figures(truth={}, class_scores=None, durations_seconds={})


def test_none_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Run the stage propose first"):
        proposing(tmp_path).proposed()


def test_videos_without_class_scores_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run(tmp_path)
    truth = {video: [("jump", 1.0, 2.0)] for video in VIDEOS}
    scores = {"b": {"jump": 1.0}, "c": {}}
    proposing(tmp_path).figures(truth=truth, class_scores=scores, durations_seconds=dict.fromkeys(VIDEOS, 30.0))
    assert "2 of 3 videos have no class scores and thus no detections, for instance a, c" in caplog.text
    caplog.clear()
    proposing(tmp_path).figures(truth=truth, class_scores=None, durations_seconds=dict.fromkeys(VIDEOS, 30.0))
    assert caplog.text == ""
