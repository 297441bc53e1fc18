"""A copy holds the same frames at the same times, keyframes where they were asked for, and stands upright."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from tests.unit.video.changing_video import CHANGING, write_changing_video
from tests.unit.video.ffmpeg_frames import apart, run_ffmpeg, shown_by_ffmpeg
from tests.unit.video.numbered_video import write_numbered_video
from tests.unit.video.turned_video import ORIENTATIONS, turn
from tests.video_fixture import frame_numbers, write_broken, write_video

from vclr_pl.data.prepare import Reencoder
from vclr_pl.types import InputError
from vclr_pl.video.choice import AutoDecoder
from vclr_pl.video.container import container_of
from vclr_pl.video.protocol import VideoReadError

SETTINGS = {"short_side_pixels": 32, "keyframe_every": 8, "crf": 18, "preset": "veryfast", "tune": "fastdecode", "enlarge": True}


def encoded(source: Path, target: Path, **changes: object) -> Path:
    Reencoder(**{**SETTINGS, **changes}).encode(source, target, each_frame=lambda: None)
    return target


def frames_of(path: Path):
    with AutoDecoder(threads=1, short_side_pixels=None).open(path) as reader:
        return reader.frames(range(reader.frame_count))


def packets_of(path: Path) -> list[tuple[Fraction, bool]]:
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        return [(packet.pts * packet.time_base, packet.is_keyframe) for packet in packets]


@pytest.mark.parametrize("suffix", [".avi", ".mp4", ".mkv", ".webm"])
def test_frame_for_frame_under_any_name(suffix, tmp_path):
    source = write_video(tmp_path / f"v{suffix}", frames=30, height=48, width=64)
    copy = encoded(source, tmp_path / "copy" if suffix == ".mkv" else tmp_path / f"copy{suffix}")
    frames = frames_of(copy)
    assert container_of(str(copy)) == "mp4"
    assert frame_numbers(frames) == list(range(30))
    assert frames.shape[-2:] == (32, 42)
    packets = packets_of(copy)
    assert [place for place, (_, is_keyframe) in enumerate(packets) if is_keyframe] == [0, 8, 16, 24]
    assert [time for time, _ in packets] == [Fraction(place, 25) for place in range(30)]


def test_b_frames_give_way_and_sizes_are_even(tmp_path):
    source = write_numbered_video(tmp_path / "v.mp4", frames=30, b_frames=2)
    original, copy = frames_of(source), frames_of(encoded(source, tmp_path / "c.mp4", short_side_pixels=33, enlarge=False))
    assert len(copy) == len(original)
    assert all(side % 2 == 0 for side in copy.shape[-2:])
    assert min(copy.shape[-2:]) == 32


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_copy_stands_upright_as_ffmpeg_shows_the_original(orientation, tmp_path, ffmpeg):
    source = tmp_path / "v.mp4"
    run_ffmpeg(ffmpeg, "-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25:duration=0.2", "-pix_fmt", "yuv420p", source)
    turn(source, orientation, height=48, width=64)
    height, width = (64, 48) if ORIENTATIONS[orientation][1] else (48, 64)
    shown = shown_by_ffmpeg(ffmpeg, source, height=height, width=width)
    copy = encoded(source, tmp_path / "copy.mp4", short_side_pixels=48, crf=1, tune=None)
    assert apart(shown_by_ffmpeg(ffmpeg, copy, height=height, width=width), shown) <= 6


@pytest.mark.parametrize("suffix", CHANGING)
def test_a_copy_of_what_changes_its_size_has_the_first_one(suffix, tmp_path, ffmpeg):
    source = write_changing_video(ffmpeg, tmp_path / "set", suffix=suffix)
    copy = encoded(source, tmp_path / "copy.mp4", short_side_pixels=48, crf=1, tune=None)
    shown = shown_by_ffmpeg(ffmpeg, source, height=48, width=64)
    assert apart(frames_of(copy), shown) <= 6


def test_a_small_video_is_enlarged_or_not(tmp_path):
    source = write_video(tmp_path / "v.mp4", frames=3, height=48, width=64)
    assert frames_of(encoded(source, tmp_path / "large.mp4", short_side_pixels=96)).shape[-2:] == (96, 128)
    assert frames_of(encoded(source, tmp_path / "as_it_was.mp4", short_side_pixels=96, enlarge=False)).shape[-2:] == (48, 64)


def test_variable_frame_rates_keep_their_times(tmp_path):
    times = [0, 1, 2, 10, 11, 25]
    source = tmp_path / "vfr.mp4"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 25)
        for number, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 40 * number + 4, np.uint8), format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    assert [time for time, _ in packets_of(encoded(source, tmp_path / "c.mp4"))] == [Fraction(time, 25) for time in times]


def test_real_footage_looks_the_same_and_stands_upright(real_footage, tmp_path):
    nasty = real_footage / "nasty"
    names = ["decord__video_90.mov", "decord__video_180.mov", "gray.mp4", "torchcodec__h264_10bits.mp4", "vfr.mp4", "mjpeg.avi"]
    present = [nasty / name for name in names if (nasty / name).is_file()]
    if not present:
        pytest.skip("none of the files that need care is here")
    for path in present:
        original = frames_of(path)
        copy = frames_of(encoded(path, tmp_path / path.name, short_side_pixels=min(original.shape[-2:]), enlarge=False))
        cut = [min(sides) for sides in zip(original.shape[-2:], copy.shape[-2:], strict=True)]
        difference = original[..., : cut[0], : cut[1]].float() - copy[..., : cut[0], : cut[1]].float()
        assert len(copy) == len(original), path.name
        assert difference.abs().mean() < 3, path.name


def test_what_does_not_decode_whole_is_refused(tmp_path):
    with pytest.raises(VideoReadError, match="Invalid data"):
        encoded(write_broken(tmp_path / "text.mp4"), tmp_path / "c.mp4")
    path = write_numbered_video(tmp_path / "v.mp4", frames=60, b_frames=0)
    content = bytearray(path.read_bytes())
    start = content.index(b"mdat") + 4 + (content.index(b"moov") - content.index(b"mdat")) // 2
    content[start : start + 400] = b"\xff" * 400
    path.write_bytes(bytes(content))
    with pytest.raises(VideoReadError):
        encoded(path, tmp_path / "c.mp4")


def test_settings_out_of_range_are_told():
    with pytest.raises(InputError, match="keyframe_every of at least 1"):
        Reencoder(**{**SETTINGS, "keyframe_every": 0})
