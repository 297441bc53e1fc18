"""Features pooled in segments on disk, and the stored features of earlier versions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.features.pretrained_file import small_backbone
from tests.unit.features.test_extraction import embedder, trainer
from tests.video_fixture import write_broken, write_video

from vclr_pl.datasets.manifest import Manifest
from vclr_pl.features.encoder import FrozenEncoder, load_encoder
from vclr_pl.video.pyav import PyavDecoder

pytestmark = pytest.mark.filterwarnings("ignore:.*does not have many workers")


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    paths = [write_video(tmp_path / "videos" / f"{number}.mp4", frames=3 + number) for number in range(6)]
    paths.insert(2, write_broken(tmp_path / "videos" / "bad.mp4"))
    return Manifest.from_pairs([(str(path), number % 2) for number, path in enumerate(paths)], class_names=("even", "odd"))


def encoder(**view: object) -> FrozenEncoder:
    return load_encoder("random", backbone=small_backbone(), view={"crop_pixels": 32, "frames": 7, **view})


def test_segments_are_pooled_by_hand_in_videos_of_unequal_lengths(tmp_path: Path, manifest: Manifest) -> None:
    segments = encoder(pooling="segments", pooling_segments=4)
    folder = embedder(tmp_path).embed(manifest, encoder=segments, trainer=trainer(tmp_path))
    table = folder.table()
    assert table.features.shape == (6, 4 * 8)
    for row, index in enumerate(table.video_index.tolist()):
        with PyavDecoder(threads=1, short_side_pixels=None).open(manifest.path(index)) as reader:
            frames = reader.frames(segments.view.indices(reader.frame_count))
        of_frames = segments.pooled(segments.transform(frames)).double().numpy()
        parts = [of_frames[part * len(frames) // 4 : -(-(part + 1) * len(frames) // 4)].mean(axis=0) for part in range(4)]
        np.testing.assert_allclose(table.features[row].numpy(), np.concatenate(parts), rtol=1e-4, atol=1e-5)


def test_the_description_of_mean_features_is_that_of_earlier_versions(tmp_path: Path, manifest: Manifest) -> None:
    def described(**view: object) -> dict[str, Any]:
        return embedder(tmp_path).description(manifest, encoder=encoder(**view), precision="32-true")

    assert described() == described(pooling="segments", pooling_segments=1)
    earlier = "frames crop_pixels short_side_pixels mean std frames_per_clip frame_stride decoded_short_side_pixels precision"
    assert list(described()["protocol"]) == earlier.split()
    assert list(described()) == ["format", "encoder", "list", "videos", "feature_dim", "protocol"]
    assert described(pooling="segments")["protocol"] == {**described()["protocol"], "pooling_segments": 3}
