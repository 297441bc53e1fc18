"""Windows of videos: against a slow loop, with times of real files, labels, spans, folders of pictures and unreadable files."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from tests.video_fixture import write_broken, write_video

from vclr_pl.datasets.manifest import Manifest, ManifestBuilder
from vclr_pl.datasets.segments import Segments
from vclr_pl.types import InputError, VideoSegment


def windows(*, seconds: float = 4.0, stride: float = 2.0, rate: float = 25.0) -> Segments:
    return Segments(seconds=seconds, stride_seconds=stride, frames_per_second=rate)


def times(frames: int, *, rate: float) -> np.ndarray:
    return np.arange(frames + 1) / rate


def test_windows_by_hand() -> None:
    """At one frame per second a window of 4 s has 4 frames."""
    assert list(windows().windows(times(10, rate=1))) == [(0, 4), (2, 6), (4, 8), (6, 10)]
    assert list(windows().windows(times(11, rate=1))) == [(0, 4), (2, 6), (4, 8), (6, 10), (7, 11)]  # a rest of half a stride
    assert list(windows(stride=4).windows(times(9, rate=1))) == [(0, 4), (4, 9)]  # a smaller rest
    assert list(windows().windows(times(3, rate=1))) == [(0, 3)]
    assert list(windows().windows(times(1, rate=25))) == [(0, 1)]


@pytest.mark.parametrize("rate", [10, 24000 / 1001, 25, 30000 / 1001, 60])
@pytest.mark.parametrize("frames", [1, 95, 100, 101, 1000, 1799])
def test_every_frame_is_in_a_window_of_about_the_length(rate: float, frames: int) -> None:
    found = list(windows().windows(times(frames, rate=rate)))
    assert {frame for first, end in found for frame in range(first, end)} == set(range(frames))
    assert [first for first, _ in found] == sorted({first for first, _ in found})
    if frames / rate >= 4:
        assert all(4 - 1.5 / rate <= (end - first) / rate < 5 for first, end in found)


def test_times_are_those_of_frames_that_are_not_evenly_spaced(tmp_path: Path) -> None:
    """20 frames at 10 per second, then 20 at 2 per second, against the times that a decoder gives."""
    path = tmp_path / "vfr.mkv"
    ticks = [*range(0, 2000, 100), *range(2000, 12000, 500)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = stream.time_base = Fraction(1, 1000)
        for tick in ticks:
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), tick % 251, np.uint8), format="rgb24")
            frame.pts, frame.time_base = tick, stream.codec_context.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with av.open(str(path)) as container:
        decoded = [float(frame.pts * frame.time_base) for frame in container.decode(video=0)]
    manifest, found = windows().split(Manifest.from_pairs([(str(path), None)]))
    assert len(manifest) == len(found)
    for segment in found:
        assert segment.seconds[0] == pytest.approx(decoded[segment.frames[0]], abs=0.002)
    assert [segment.frames for segment in found[:3]] == [(0, 24), (20, 28), (24, 32)]


def test_segments_keep_label_and_path(tmp_path: Path) -> None:
    paths = [write_video(tmp_path / f"{number}.mp4", frames=30, rate=5) for number in range(2)]
    paths.append(write_broken(tmp_path / "bad.mp4"))
    source = Manifest.from_pairs([(str(path), label) for path, label in zip(paths, ("b", "a", None), strict=True)])
    manifest, segments = windows().split(source)
    assert [segment.video for segment in segments] == [0, 0, 1, 1, 2]
    assert [manifest.path(row) for row in range(5)] == [str(paths[segment.video]) for segment in segments]
    assert [manifest.label(row) for row in range(5)] == [1, 1, 0, 0, -1]
    assert manifest.class_names == ("a", "b")
    assert segments[1] == VideoSegment(video=0, frames=(10, 30), seconds=(2.0, 6.0))
    assert [manifest.frames(row, frame_count=30) for row in range(2)] == [(0, 20), (10, 30)]


def test_a_span_of_a_file_is_split_within_it(tmp_path: Path) -> None:
    builder = ManifestBuilder(root="")
    builder.add(write_video(tmp_path / "1.mp4", frames=30, rate=5), span=(1 / 3, 1.0))
    _, segments = windows(seconds=2, stride=2).split(builder.finish())
    assert [segment.frames for segment in segments] == [(10, 20), (20, 30)]
    assert segments[0].seconds == (2.0, 4.0)


def test_a_folder_of_pictures_takes_the_given_rate(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in range(6):
        Image.new("RGB", (32, 32)).save(folder / f"img_{number:05}.jpg")
    (empty := tmp_path / "empty").mkdir()
    _, segments = windows(seconds=2, stride=1, rate=2).split(Manifest.from_pairs([(str(folder), None), (str(empty), None)]))
    assert segments[:2] == [
        VideoSegment(video=0, frames=(0, 4), seconds=(0.0, 2.0), is_timed=False),
        VideoSegment(video=0, frames=(2, 6), seconds=(1.0, 3.0), is_timed=False),
    ]
    assert [segment.video for segment in segments[2:]] == [1]


@pytest.mark.parametrize(
    ("options", "message"), [({"seconds": 0}, "segment.seconds above 0"), ({"stride": 5.0}, "up to segment.seconds=4")]
)
def test_values_out_of_range_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        windows(**options)


@pytest.mark.parametrize(("seconds", "stride"), [(4, 2), (4, 4), (3, 0.7), (1, 0.1)])
def test_the_bound_of_overlapping_windows_holds(seconds: float, stride: float) -> None:
    split = windows(seconds=seconds, stride=stride)
    for frames in (250, 263, 277):
        found = list(split.windows(times(frames, rate=25)))
        overlapping = [sum(first < other_end and other < end for other, other_end in found) for first, end in found]
        assert max(overlapping) <= split.most_overlapping
