"""Features of real files: exact, once each, in order, kept, and the same after an interruption."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as lightning
import torch
from tests.unit.features.pretrained_file import small_backbone
from tests.video_fixture import write_broken, write_video

from vclr_pl.datasets.manifest import Manifest
from vclr_pl.features.encoder import FrozenEncoder, load_encoder
from vclr_pl.features.extraction import Embedder, list_digest
from vclr_pl.features.store import FeatureFolder
from vclr_pl.features.video_reading import ReadingOptions
from vclr_pl.store import LOCK
from vclr_pl.video.isolated import IsolatedDecoder
from vclr_pl.video.pyav import PyavDecoder

pytestmark = pytest.mark.filterwarnings("ignore:.*does not have many workers")


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    paths = [write_video(tmp_path / "videos" / f"{number}.mp4", frames=3 + number) for number in range(6)]
    paths.insert(2, write_broken(tmp_path / "videos" / "bad.mp4"))
    return Manifest.from_pairs([(str(path), number % 2) for number, path in enumerate(paths)], class_names=("even", "odd"))


def encoder() -> FrozenEncoder:
    return load_encoder("random", backbone=small_backbone(), view={"crop_pixels": 32, "frames": 5})


def embedder(folder: Path, *, videos_per_batch: int = 2, frames_per_pass: int = 64) -> Embedder:
    return Embedder(
        decoding=PyavDecoder(threads=1, short_side_pixels=None),
        loader=ReadingOptions(videos_per_batch=videos_per_batch, workers=0, prefetch_batches=1),
        cache=str(folder / "cache"),
        frames_per_pass=frames_per_pass,
    )


def trainer(folder: Path, **options: Any) -> lightning.Trainer:
    return lightning.Trainer(
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
        use_distributed_sampler=False,
        **options,
    )


def files(folder: FeatureFolder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.path.iterdir()}


def test_features_are_means_over_the_frames_of_each_video(tmp_path: Path, manifest: Manifest) -> None:
    network = encoder()
    folder = embedder(tmp_path).embed(manifest, encoder=network, trainer=trainer(tmp_path))
    table = folder.table()
    assert table.video_index.tolist() == [0, 1, 3, 4, 5, 6]
    assert [video.path for video in table.broken] == [manifest.path(2)]
    for row, index in enumerate(table.video_index.tolist()):
        with PyavDecoder(threads=1, short_side_pixels=None).open(manifest.path(index)) as reader:
            frames = reader.frames(network.view.indices(reader.frame_count))
        expected = network(network.transform(frames)[None])[0]
        torch.testing.assert_close(table.features[row], expected)


class ReadsNothing:
    """A trainer that may not be asked to read."""

    precision = "32-true"
    is_global_zero = True
    strategy = SimpleNamespace(broadcast=lambda told: told)

    def predict(self, *_: Any, **__: Any) -> None:
        raise AssertionError("nothing is to be read")


def test_what_is_kept_is_not_read_again(tmp_path: Path, manifest: Manifest) -> None:
    first = embedder(tmp_path).embed(manifest, encoder=encoder(), trainer=trainer(tmp_path))
    before = files(first)
    second = embedder(tmp_path).embed(manifest, encoder=encoder(), trainer=ReadsNothing())
    assert second.path == first.path
    assert files(second) == before


def test_of_kept_features_it_says_how_to_try_broken_videos_again(
    tmp_path: Path, manifest: Manifest, caplog: pytest.LogCaptureFixture
) -> None:
    folder = embedder(tmp_path).embed(manifest, encoder=encoder(), trainer=trainer(tmp_path))
    caplog.clear()  # an earlier test may have left the loggers at INFO
    with caplog.at_level(logging.INFO):
        embedder(tmp_path).embed(manifest, encoder=encoder(), trainer=ReadsNothing())
    assert [record.getMessage() for record in caplog.records if record.name.startswith("vclr_pl")] == [
        f"features of 7 videos: kept in {folder.path}",
        "1 of them are broken; remove the folder to retry them",
    ]


class BusyDecoder(PyavDecoder):
    """On a machine that is too slow for one of the videos, as long as a file says so."""

    def open(self, path):
        if Path(path).name == "3.mp4" and (Path(path).parent / "busy").exists():
            time.sleep(60)
        return super().open(path)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no time limit without child processes")
def test_a_video_that_took_too_long_is_tried_again_by_the_next_command(
    tmp_path: Path, manifest: Manifest, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "videos" / "busy").touch()
    make = replace(
        embedder(tmp_path),
        decoding=IsolatedDecoder(decoder=BusyDecoder(threads=1, short_side_pixels=None), decode_timeout_seconds=0.5),
    )
    with caplog.at_level(logging.INFO):
        first = make.embed(manifest, encoder=encoder(), trainer=trainer(tmp_path)).table()
    assert {Path(video.path).name: video.is_temporary for video in first.broken} == {"3.mp4": True, "bad.mp4": False}
    assert "1 of the broken videos may be readable" in caplog.text
    assert "set decoding.decode_timeout_seconds higher" in caplog.text
    (tmp_path / "videos" / "busy").unlink()
    opened = CountingFeatures()
    folder = make.embed(manifest, encoder=encoder(), trainer=trainer(tmp_path, callbacks=[opened]))
    assert opened.videos == 1
    assert [Path(video.path).name for video in folder.table().broken] == ["bad.mp4"]
    whole = embedder(tmp_path / "other").embed(manifest, encoder=encoder(), trainer=trainer(tmp_path))
    assert {name: content for name, content in files(folder).items() if name != "features.json"} == {
        name: content for name, content in files(whole).items() if name != "features.json"
    }
    make.embed(manifest, encoder=encoder(), trainer=ReadsNothing())


class CountingFeatures(lightning.Callback):
    videos = 0

    def on_predict_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, *_: Any) -> None:
        self.videos += outputs


HOLDER = """
import sys, time
from pathlib import Path
from vclr_pl.store import FolderLock
lock = FolderLock(Path(sys.argv[1]))
print(lock.acquired(), flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("other_finishes", [True, False])
def test_another_process_that_reads_the_same_videos_is_waited_for(
    tmp_path: Path, manifest: Manifest, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, other_finishes: bool
) -> None:
    whole = embedder(tmp_path / "whole").embed(manifest, encoder=encoder(), trainer=trainer(tmp_path))
    mine = tmp_path / "mine"
    shutil.copytree(whole.path, mine)
    (mine / "videos.csv").unlink()
    asked: list[int] = []
    predict = lightning.Trainer.predict
    monkeypatch.setattr(lightning.Trainer, "predict", lambda self, *what, **how: (asked.append(1), predict(self, *what, **how))[1])
    caplog.set_level(logging.INFO)
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(mine)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        with ThreadPoolExecutor(1) as pool:
            try:
                waiting = pool.submit(
                    lambda: embedder(tmp_path).embed(manifest, encoder=encoder(), trainer=trainer(tmp_path), output=str(mine))
                )
                until = time.monotonic() + 60
                while "another process writes to" not in caplog.text and time.monotonic() < until and not waiting.done():
                    time.sleep(0.05)
                assert not waiting.done()
                assert asked == []
                if other_finishes:
                    shutil.copy(whole.path / "videos.csv", mine)
            finally:
                other.kill()  # the lock goes with its process, however that ends
            folder = waiting.result(timeout=120)
    assert len(asked) == (0 if other_finishes else 1)
    assert {name: content for name, content in files(folder).items() if name != LOCK} == files(whole)


def test_an_extraction_that_was_stopped_before_its_last_step_reads_nothing(tmp_path: Path, manifest: Manifest) -> None:
    whole = embedder(tmp_path / "whole").embed(manifest, encoder=encoder(), trainer=trainer(tmp_path))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FeatureFolder, "finish", lambda *_, **__: (_ for _ in ()).throw(StoppedError))
        with pytest.raises(StoppedError):
            embedder(tmp_path / "again").embed(manifest, encoder=encoder(), trainer=trainer(tmp_path))
    assert files(embedder(tmp_path / "again").embed(manifest, encoder=encoder(), trainer=trainer(tmp_path))) == files(whole)


class StoppedError(Exception):
    pass


@pytest.mark.parametrize("batches", [0, 1, 3, 6])
def test_interrupted_and_started_again_it_ends_with_the_same_files(
    tmp_path: Path, manifest: Manifest, monkeypatch: pytest.MonkeyPatch, batches: int
) -> None:
    whole = embedder(tmp_path / "whole").embed(manifest, encoder=encoder(), trainer=trainer(tmp_path))
    written: list[int] = []
    write = FeatureFolder.write

    def write_some(self: FeatureFolder, **what: Any) -> None:
        if len(written) == batches:
            with (self.path / "journal_00000.jsonl").open("ab") as journal:
                journal.write(b'{"video": 6, "fra')
            raise StoppedError
        write(self, **what)
        written.append(1)

    monkeypatch.setattr(FeatureFolder, "write", write_some)
    with pytest.raises(StoppedError):
        embedder(tmp_path / "again", videos_per_batch=1).embed(manifest, encoder=encoder(), trainer=trainer(tmp_path))
    resumed_videos: list[int] = []

    def write_and_count(self: FeatureFolder, **what: Any) -> None:
        resumed_videos.extend([*what["features"], *(index for index, _ in what["broken"])])
        write(self, **what)

    monkeypatch.setattr(FeatureFolder, "write", write_and_count)
    resumed = embedder(tmp_path / "again", videos_per_batch=3).embed(manifest, encoder=encoder(), trainer=trainer(tmp_path))
    assert files(resumed) == files(whole)
    assert sorted(resumed_videos) == list(range(batches, 7))
    assert sorted(files(whole)) == ["features.json", "features.npy", "videos.csv"]


def test_a_video_is_the_same_in_any_batch(tmp_path: Path, manifest: Manifest) -> None:
    made = [
        embedder(tmp_path / str(videos), videos_per_batch=videos).embed(manifest, encoder=encoder(), trainer=trainer(tmp_path))
        for videos in (1, 7)
    ]
    assert files(made[0]) == files(made[1])
    passes = embedder(tmp_path / "passes", frames_per_pass=2).embed(manifest, encoder=encoder(), trainer=trainer(tmp_path))
    np.testing.assert_allclose(passes.table().features, made[0].table().features, atol=1e-5)


def test_another_encoder_list_or_protocol_is_kept_apart(tmp_path: Path, manifest: Manifest) -> None:
    made, network = embedder(tmp_path), encoder()
    described = [
        made.description(manifest, encoder=network, precision="32-true"),
        made.description(manifest, encoder=network, precision="bf16-mixed"),
        made.description(manifest, encoder=load_encoder("random", backbone=small_backbone(1)), precision="32-true"),
        made.description(manifest, encoder=load_encoder("random", backbone=small_backbone(), view={"frames": 9}), precision="32-true"),
        made.description(Manifest.from_pairs([(manifest.path(0), 0)]), encoder=network, precision="32-true"),
    ]
    assert len({str(one) for one in described}) == len(described)


def test_a_file_that_changed_is_another_list(tmp_path: Path, manifest: Manifest) -> None:
    before = list_digest(manifest)
    assert list_digest(manifest) == before
    os.utime(manifest.path(0), (1, 1))
    assert list_digest(manifest) != before


def test_a_folder_of_ones_choice(tmp_path: Path, manifest: Manifest) -> None:
    folder = embedder(tmp_path).embed(manifest, encoder=encoder(), trainer=trainer(tmp_path), output=str(tmp_path / "mine"))
    assert np.load(tmp_path / "mine" / "features.npy").shape == (6, 8)
    assert folder.path == tmp_path / "mine"
