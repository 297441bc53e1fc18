"""Features along real videos: the encoder's own of each center frame, a file a video, gone on with and never mixed."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as lightning
import torch
from tests.unit.features.pretrained_file import small_backbone
from tests.video_fixture import write_broken, write_video

from vclr_pl.features.encoder import FrozenEncoder
from vclr_pl.features.video_reading import ReadingWorkers
from vclr_pl.localization.extraction import SnippetExtractor
from vclr_pl.localization.snippets import SnippetProtocol
from vclr_pl.types import InputError
from vclr_pl.video.pyav import PyavDecoder

DECODING = PyavDecoder(threads=1, short_side_pixels=None)


def encoder(seed: int = 0) -> FrozenEncoder:
    protocol = SnippetProtocol(crop_pixels=32, short_side_pixels=None, mean=None, std=None)
    return protocol.load("random", momentum=False, backbone=small_backbone(seed))


def extractor(**changes: Any) -> SnippetExtractor:
    options: dict[str, Any] = {
        "decoding": DECODING,
        "loader": ReadingWorkers(workers=0, prefetch_batches=1),
        "snippet_frames": 8,
        "snippets_per_part": 2,
    }
    return SnippetExtractor(**{**options, **changes})


@pytest.fixture
def trainer(tmp_path: Path) -> lightning.Trainer:
    return lightning.Trainer(
        accelerator="cpu", devices=1, logger=False, enable_progress_bar=False, enable_model_summary=False, default_root_dir=tmp_path
    )


@pytest.fixture
def paths(tmp_path: Path) -> dict[str, str]:
    made = {name: str(write_video(tmp_path / "videos" / f"{name}.mp4", frames=frames)) for name, frames in (("a", 30), ("b", 5))}
    return {**made, "bad": str(write_broken(tmp_path / "videos" / "bad.mp4"))}


def test_features_are_the_encoders_of_the_centers(paths: dict[str, str], tmp_path: Path, trainer: lightning.Trainer) -> None:
    folder = extractor().extract(paths, encoder=encoder(), trainer=trainer, output=tmp_path / "out")
    for name, centers in (("a", [4, 12, 20, 28]), ("b", [4])):
        with DECODING.open(paths[name]) as reader, torch.no_grad():
            expected = encoder().pooled(encoder().transform(reader.frames(centers)))
        np.testing.assert_allclose(np.load(tmp_path / "out" / f"{name}.npy"), expected.numpy(), rtol=1e-5, atol=1e-6)
    assert folder.frames() == {"a": 30, "b": 5}
    assert list(folder.broken()) == ["bad"]
    assert not (tmp_path / "out" / "bad.npy").exists()
    with (tmp_path / "out" / "videos.csv").open(newline="") as lines:
        assert [(line["video"], line["snippets"]) for line in csv.DictReader(lines)] == [("a", "4"), ("b", "1"), ("bad", "0")]


def test_it_goes_on_where_it_was(paths: dict[str, str], tmp_path: Path, trainer: lightning.Trainer) -> None:
    out = tmp_path / "out"
    extractor().extract({"a": paths["a"]}, encoder=encoder(), trainer=trainer, output=out)
    with (out / "journal_00000.jsonl").open("a") as journal:
        journal.write('\n{"video": "b", "fra')  # half a line of a run that was killed
    written = (out / "a.npy").stat().st_mtime_ns
    extractor().extract(paths, encoder=encoder(), trainer=trainer, output=out)
    assert (out / "a.npy").stat().st_mtime_ns == written
    assert np.load(out / "b.npy").shape == (1, 8)
    with (out / "videos.csv").open(newline="") as lines:
        assert [line["video"] for line in csv.DictReader(lines)] == ["a", "b", "bad"]


def test_a_repaired_and_a_changed_file_are_read_again(paths: dict[str, str], tmp_path: Path, trainer: lightning.Trainer) -> None:
    out = tmp_path / "out"
    extractor().extract(paths, encoder=encoder(), trainer=trainer, output=out)
    kept = (out / "a.npy").stat().st_mtime_ns
    write_video(Path(paths["bad"]), frames=20)
    write_video(Path(paths["b"]), frames=9)
    folder = extractor().extract(paths, encoder=encoder(), trainer=trainer, output=out)
    assert (folder.frames(), folder.broken()) == ({"a": 30, "b": 9, "bad": 20}, {})
    assert (len(np.load(out / "b.npy")), len(np.load(out / "bad.npy"))) == (1, 2)
    assert (out / "a.npy").stat().st_mtime_ns == kept
    write_broken(Path(paths["a"]))
    folder = extractor().extract(paths, encoder=encoder(), trainer=trainer, output=out)
    assert (list(folder.broken()), (out / "a.npy").exists()) == (["a"], False)


def test_the_second_time_nothing_is_read(
    paths: dict[str, str], tmp_path: Path, trainer: lightning.Trainer, caplog: pytest.LogCaptureFixture
) -> None:
    del paths["bad"]
    extractor().extract(paths, encoder=encoder(), trainer=trainer, output=tmp_path / "out")
    for path in paths.values():
        Path(path).unlink()
    with caplog.at_level("INFO"):
        extractor().extract(paths, encoder=encoder(), trainer=trainer, output=tmp_path / "out")
    assert "kept in" in caplog.text


@pytest.mark.parametrize(("what", "changes"), [("encoder", {}), ("snippet_frames", {"snippet_frames": 4})])
def test_other_features_are_refused(
    paths: dict[str, str], tmp_path: Path, trainer: lightning.Trainer, what: str, changes: dict[str, int]
) -> None:
    extractor().extract({"b": paths["b"]}, encoder=encoder(), trainer=trainer, output=tmp_path / "out")
    with pytest.raises(InputError, match=f"features of another {what}"):
        extractor(**changes).extract({"b": paths["b"]}, encoder=encoder(0 if changes else 1), trainer=trainer, output=tmp_path / "out")


def test_class_names_are_kept(paths: dict[str, str], tmp_path: Path, trainer: lightning.Trainer) -> None:
    recognizer: Any = encoder()
    recognizer.class_names = ("jump", "run")
    folder = extractor().extract({"b": paths["b"]}, encoder=recognizer, trainer=trainer, output=tmp_path / "out")
    assert folder.description()["class_names"] == ["jump", "run"]
    assert json.loads((tmp_path / "out" / "features.json").read_text())["snippet_frames"] == 8


@pytest.mark.parametrize("name", ["snippet_frames", "snippets_per_part"])
def test_figures_out_of_range_are_told(name: str) -> None:
    with pytest.raises(InputError, match=f"extractor.{name}"):
        extractor(**{name: 0})
