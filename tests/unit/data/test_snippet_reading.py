"""Parts of real videos: which frames, in which order, and what a broken file leaves."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.video_fixture import frame_numbers, write_broken, write_video
from torch.utils.data import DataLoader

from vclr_pl.data.decoding.pyav import PyavDecoder
from vclr_pl.data.snippet_reading import SnippetPart, SnippetReading, SnippetSampling
from vclr_pl.data.transform.evaluation_view import EvaluationView

VIEW = EvaluationView(frames=1, crop_pixels=16, short_side_pixels=None, mean=(0.0,) * 3, std=(1.0,) * 3)


def reading(videos: list[tuple[int, str]], *, frames_per_clip: int = 1, per_part: int = 2) -> SnippetReading:
    sampling = SnippetSampling(snippet_frames=4, snippets_per_part=per_part, frames_per_clip=frames_per_clip, frame_stride=1)
    return SnippetReading(videos=videos, decoder=PyavDecoder(threads=1, short_side_pixels=None), view=VIEW, sampling=sampling)


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
    assert bad.broken is not None
    assert Path(bad.broken.path).name == "bad.mp4"
    assert (good.video_index, good.is_last, good.broken) == (1, True, None)


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_share_the_videos(tmp_path: Path, workers: int) -> None:
    paths = [str(write_video(tmp_path / f"{number}.mp4", frames=9 + number)) for number in range(3)]
    parts: list[SnippetPart] = list(DataLoader(reading(list(enumerate(paths))), batch_size=None, num_workers=workers))
    for index in range(3):
        own = [part for part in parts if part.video_index == index]
        assert [part.is_last for part in own] == [False] * (len(own) - 1) + [True]
        assert [number for part in own for number in frame_numbers(part.frames)] == list(range(2, 9 + index, 4))  # type: ignore[arg-type]
