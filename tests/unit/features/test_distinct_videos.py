"""What has no place among near duplicates; what it is, is known from how the videos are made."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.unit.features.pretrained_file import small_backbone
from tests.video_fixture import write_pictures

from vclr_pl.datasets.manifest import Manifest
from vclr_pl.evaluation.near_duplicates import CopySimilarity, Pairs, near_duplicates
from vclr_pl.features.distinct_videos import BLANK, DistinctVideos, contrast, same_files, without
from vclr_pl.features.encoder import FrozenEncoder, load_encoder
from vclr_pl.features.video_reading import ReadingOptions
from vclr_pl.types import FeatureTable, InputError
from vclr_pl.video.pyav import PyavDecoder

pytestmark = pytest.mark.filterwarnings("ignore:.*does not have many workers")


def encoder() -> FrozenEncoder:
    return load_encoder("random", backbone=small_backbone(), view={"crop_pixels": 32, "frames": 3})


def write(path: Path, *, level: float, noise: float) -> str:
    generator = np.random.default_rng(0)
    pictures = (np.clip(generator.normal(level, noise, (48, 64, 1)), 0, 255).astype(np.uint8).repeat(3, axis=2) for _ in range(4))
    return str(write_pictures(path, pictures=pictures, height=48, width=64, rate=25, keyframe_every=4))


def distinct(minimum_contrast: float = 2.0) -> DistinctVideos:
    return DistinctVideos(
        decoding=PyavDecoder(threads=1, short_side_pixels=None),
        loader=ReadingOptions(videos_per_batch=2, workers=0, prefetch_batches=1),
        minimum_contrast=minimum_contrast,
    )


def table_of(manifest: Manifest, features: list[list[float]]) -> FeatureTable:
    count = len(manifest)
    return FeatureTable(
        features=torch.tensor(features),
        label=torch.arange(count),
        video_index=torch.arange(count),
        path=tuple(manifest.path(index) for index in range(count)),
    )


@pytest.fixture
def paths(tmp_path: Path) -> list[str]:
    """Two scenes alike, two black videos, a second name of the first scene, and a scene that is like no other."""
    scenes = [write(tmp_path / name, level=128, noise=40) for name in ("a.mp4", "b.mp4")]
    black = [write(tmp_path / name, level=0, noise=0) for name in ("c.mp4", "d.mp4")]
    (tmp_path / "e.mp4").symlink_to(tmp_path / "a.mp4")
    return [*scenes, *black, str(tmp_path / "e.mp4"), write(tmp_path / "f.mp4", level=60, noise=30)]


def find(table: FeatureTable) -> Pairs:
    return near_duplicates(CopySimilarity(table.features[:, None]), minimum_similarity=0.9, maximum_pairs=10)


FEATURES = [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [1.0, 0.0], [-1.0, 0.0]]


def test_a_link_counts_once_and_black_videos_are_in_no_pair(paths: list[str], caplog: pytest.LogCaptureFixture) -> None:
    manifest = Manifest.from_pairs([(path, None) for path in paths])
    caplog.set_level("INFO")
    table, pairs, left_out = distinct().search(table_of(manifest, FEATURES), manifest=manifest, encoder=encoder(), find=find)
    assert [[table.path[row] for row in pair] for pair in pairs.rows.tolist()] == [paths[:2]]
    assert table.path == (paths[0], paths[1], paths[5])
    assert dict(left_out) == {paths[4]: f"the same file as {paths[0]}", paths[2]: BLANK, paths[3]: BLANK}
    assert f"2 videos are in no pair, since every frame has a single color: {paths[2]}, {paths[3]}" in caplog.text
    assert f"1 videos are other names of the same files and count once: {paths[4]}" in caplog.text
    _, pairs, left_out = distinct(0.0).search(table_of(manifest, FEATURES), manifest=manifest, encoder=encoder(), find=find)
    assert (pairs.found, len(left_out)) == (2, 1)


def test_nothing_is_read_where_there_is_no_pair(tmp_path: Path) -> None:
    manifest = Manifest.from_pairs([(str(tmp_path / name), None) for name in ("absent", "also absent")])
    _, pairs, left_out = distinct().search(table_of(manifest, FEATURES[1:3]), manifest=manifest, encoder=encoder(), find=find)
    assert (pairs.found, left_out) == (0, [])


def test_hard_links_are_one_file_and_parts_of_a_file_are_not(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    os.link(tmp_path / "a", tmp_path / "b")
    manifest = Manifest.from_pairs([(str(tmp_path / name), None) for name in ("a", "absent", "b", "absent")])
    assert same_files(table_of(manifest, FEATURES[:4]), manifest=manifest) == {
        2: (str(tmp_path / "b"), str(tmp_path / "a")),
        3: (str(tmp_path / "absent"),) * 2,
    }
    parts = Manifest(
        root="",
        text=np.frombuffer(b"aa", np.uint8),
        ends=np.array([1, 2]),
        labels=np.array([0, 0], np.int32),
        spans=np.array([0, 0.5, 0.5, 1]),
        class_names=(),
    )
    assert same_files(table_of(parts, FEATURES[:2]), manifest=parts) == {}


def test_contrast_is_the_largest_of_all_frames_and_channels() -> None:
    frames = torch.randint(0, 256, (70, 3, 5, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    frames[:60] = 7
    assert contrast(frames) == pytest.approx(max(np.std(plane.numpy()) for frame in frames for plane in frame))
    assert contrast(frames[:60]) == 0.0
    assert contrast(frames.reshape(7, 10, 3, 5, 6).transpose(1, 2)) == pytest.approx(contrast(frames))  # clips


def test_rows_go() -> None:
    manifest = Manifest.from_pairs([(name, None) for name in "abc"])
    left = without(table_of(manifest, FEATURES[:3]), [1])
    assert (left.path, left.label.tolist(), left.video_index.tolist(), left.features.tolist()) == (
        ("a", "c"),
        [0, 2],
        [0, 2],
        [FEATURES[0], FEATURES[2]],
    )
    with pytest.raises(InputError, match=r"distinct\.minimum_contrast of 0 or more; got -1"):
        distinct(-1)
