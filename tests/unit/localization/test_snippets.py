"""Where snippets are, and their mean at equal positions, against SciPy's interpolation.
Parts of real videos: which frames, in which order, and what a broken file leaves.
Encoders of runs and random ones come with their view; recognizers are told from encoders.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from scipy.interpolate import interp1d
from tests.unit.features.pretrained_file import small_backbone, write_run
from tests.unit.features.written_recognizer import CLASS_NAMES, RESNET18, SHIFT, write_recognizer
from tests.video_fixture import frame_numbers, write_broken, write_video
from torch.utils.data import DataLoader

from vclr_pl.data.transform.evaluation_view import EvaluationView
from vclr_pl.features.recognizer import is_recognizer
from vclr_pl.localization.snippets import (
    SnippetPart,
    SnippetProtocol,
    SnippetSampling,
    UntrimmedVideoDataset,
    covered_seconds,
    resample,
    snippet_centers,
)
from vclr_pl.types import InputError
from vclr_pl.video.pyav import PyavDecoder


@pytest.mark.parametrize(
    ("frames", "expected"), [(1, [0]), (8, [4]), (9, [8]), (16, [8]), (24, [8]), (25, [8, 24]), (48, [8, 24, 40]), (50, [8, 24, 40])]
)
def test_centers_of_sixteen_frames(frames: int, expected: list[int]) -> None:
    assert snippet_centers(frame_count=frames, snippet_frames=16) == expected


def test_centers_of_single_frames() -> None:
    assert snippet_centers(frame_count=4, snippet_frames=1) == [0, 1, 2, 3]


@pytest.mark.parametrize("snippets", [2, 3, 40, 100, 317])
def test_resampling_is_scipys(snippets: int) -> None:
    features = np.random.default_rng(snippets).standard_normal((snippets, 5)).astype(np.float32)
    interpolate = interp1d(np.arange(snippets), features.astype(np.float64), axis=0)
    width = (snippets - 1 - 2e-4) / 20
    expected = [interpolate([1e-4 + width * (place + third / 3) for third in range(3)]).mean(axis=0) for place in range(20)]
    found = resample(features, positions=20, points_per_position=3)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert found.dtype == np.float32


def test_one_snippet_is_repeated() -> None:
    assert resample(np.array([[1.0, 2.0]], np.float32), positions=3, points_per_position=3).tolist() == [[1.0, 2.0]] * 3


def test_a_ramp_stays_a_ramp() -> None:
    ramp = np.arange(50, dtype=np.float32)[:, None]
    steps = np.diff(resample(ramp, positions=10, points_per_position=3)[:, 0])
    np.testing.assert_allclose(steps, steps[0], rtol=1e-4)


@pytest.mark.parametrize(
    ("frames", "expected"), [(1021, 1008 / 1021 * 40.0), (16, 40.0), (17, 16 / 17 * 40.0), (15, 40.0), (None, 40.0), (32, 40.0)]
)
def test_whole_snippets_cover_a_video(frames: int | None, expected: float) -> None:
    assert covered_seconds(duration_seconds=40.0, frames=frames, snippet_frames=16) == pytest.approx(expected)


VIEW = EvaluationView(frames=1, crop_pixels=16, short_side_pixels=None, mean=(0.0,) * 3, std=(1.0,) * 3)


def reading(videos: list[tuple[int, str]], *, frames_per_clip: int = 1, per_part: int = 2) -> UntrimmedVideoDataset:
    sampling = SnippetSampling(snippet_frames=4, snippets_per_part=per_part, frames_per_clip=frames_per_clip, frame_stride=1)
    return UntrimmedVideoDataset(videos=videos, decoder=PyavDecoder(threads=1, short_side_pixels=None), view=VIEW, sampling=sampling)


def test_parts_are_in_order_and_the_last_says_so(tmp_path: Path) -> None:
    path = str(write_video(tmp_path / "a.mp4", frames=19))
    parts = list(reading([(7, path)]))
    assert [frame_numbers(part.frames) for part in parts if part.frames is not None] == [[2, 6], [10, 14], [18]]
    assert [(part.video_index, part.frame_count, part.is_last, len(part)) for part in parts] == [
        (7, 19, False, 2),
        (7, 19, False, 2),
        (7, 19, True, 1),
    ]
    assert parts[0].frames is not None
    assert parts[0].frames.shape == (2, 3, 16, 16)
    assert [(Path(narrow.path).name, narrow.width_pixels, narrow.height_pixels) for narrow in parts[0].narrow] == [("a.mp4", 64, 48)]


def test_clips_stand_around_the_centers(tmp_path: Path) -> None:
    path = str(write_video(tmp_path / "a.mp4", frames=12))
    (part,) = reading([(0, path)], frames_per_clip=3, per_part=5)
    assert part.frames is not None
    assert part.frames.shape == (3, 3, 3, 16, 16)
    assert [frame_numbers(clip.movedim(0, 1)) for clip in part.frames] == [[1, 2, 3], [5, 6, 7], [9, 10, 11]]


def test_a_broken_video_is_one_last_part(tmp_path: Path) -> None:
    videos = [(0, str(write_broken(tmp_path / "bad.mp4"))), (1, str(write_video(tmp_path / "a.mp4", frames=4)))]
    bad, good = reading(videos)
    assert (bad.frames, bad.is_last, len(bad)) == (None, True, 0)
    assert [Path(video.path).name for video in bad.broken] == ["bad.mp4"]
    assert (good.video_index, good.is_last, good.broken) == (1, True, ())


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_share_the_videos(tmp_path: Path, workers: int) -> None:
    paths = [str(write_video(tmp_path / f"{number}.mp4", frames=9 + number)) for number in range(3)]
    parts: list[SnippetPart] = list(DataLoader(reading(list(enumerate(paths))), batch_size=None, num_workers=workers))
    for index in range(3):
        own = [part for part in parts if part.video_index == index]
        assert [part.is_last for part in own] == [False] * (len(own) - 1) + [True]
        assert [number for part in own for number in frame_numbers(part.frames)] == list(range(2, 9 + index, 4))  # type: ignore[arg-type]


PROTOCOL = SnippetProtocol(crop_pixels=None, short_side_pixels=None, mean=None, std=None)


def test_a_run_says_its_view(tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    encoder = PROTOCOL.load(str(tmp_path / "run"), momentum=False, backbone=None)
    assert (encoder.view.crop_pixels, encoder.view.short_side_pixels, encoder.view.frames) == (32, 40, 1)
    other = SnippetProtocol(crop_pixels=24, short_side_pixels=None, mean=None, std=None)
    assert other.load(str(tmp_path / "run"), momentum=True, backbone=None).view.crop_pixels == 24


def test_random_takes_the_network(tmp_path: Path) -> None:
    encoder = PROTOCOL.load("random", momentum=False, backbone=small_backbone())
    assert (encoder.feature_dim, encoder.view.crop_pixels) == (8, 224)


def test_recognizers_are_told_by_their_class_names(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "backbone.safetensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "recognizer.safetensors", metadata={"class_names": json.dumps(["a", "b"])})
    (tmp_path / "bad.safetensors").write_text("no tensors")
    found = {name: is_recognizer(str(tmp_path / name)) for name in ("", "backbone.safetensors", "recognizer.safetensors")}
    assert found == {"": True, "backbone.safetensors": False, "recognizer.safetensors": True}
    assert not any(is_recognizer(str(tmp_path / name)) for name in ("bad.safetensors", "absent.safetensors"))
    assert not is_recognizer("random")


def test_a_recognizer_is_loaded_as_one(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "recognizer.safetensors", metadata={"class_names": json.dumps(["a", "b"])})
    with pytest.raises(InputError, match="recognizer"):
        PROTOCOL.load(str(tmp_path), momentum=False, backbone=None)


def test_a_recognizer_that_looks_at_neighbors_is_refused(tmp_path: Path) -> None:
    write_recognizer(tmp_path, architecture=RESNET18, shift=SHIFT)
    with pytest.raises(InputError, match=r"independent snippets.*mixes 4 frames"):
        PROTOCOL.load(str(tmp_path), momentum=False, backbone=None)


def test_what_a_recognizer_does_not_use_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_recognizer(tmp_path)
    assert getattr(PROTOCOL.load(str(tmp_path), momentum=False, backbone=None), "class_names", ()) == CLASS_NAMES
    assert caplog.text == ""
    SnippetProtocol(crop_pixels=48, short_side_pixels=None, mean=None, std=None).load(str(tmp_path), momentum=True, backbone=None)
    assert "protocol.crop_pixels, momentum: not used" in caplog.text
