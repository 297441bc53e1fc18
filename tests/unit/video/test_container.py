"""How long a video lasts, against the frames and the rate with which it was written.
All eight orientations, as the ffmpeg program shows them.
"""

from __future__ import annotations

import subprocess

import av
import numpy as np
import pytest
from tests.unit.video.ffmpeg_frames import apart, run_ffmpeg, shown_by_ffmpeg
from tests.unit.video.numbered_video import write_numbered_video
from tests.unit.video.turned_video import ORIENTATIONS, turn, turn_matroska
from tests.video_fixture import write_broken, write_video

from vclr_pl.video.choice import AutoDecoder
from vclr_pl.video.container import container_of, mp4_index, mp4_reorders_frames, scan_packets, video_seconds
from vclr_pl.video.pyav import PyavDecoder


@pytest.mark.parametrize(
    ("name", "container"), [("v.mp4", "mp4"), ("v.mov", "mp4"), ("v.mkv", "matroska"), ("v.avi", "avi"), ("v.ts", None)]
)
def test_the_container_by_its_first_bytes(tmp_path, name, container):
    written = write_numbered_video(tmp_path / name, frames=12)
    disguised = written.rename(tmp_path / "v.txt")
    assert container_of(str(disguised)) == container


@pytest.mark.parametrize("flags", ["", "+faststart"])
@pytest.mark.parametrize(("b_frames", "reorders"), [(2, True), (0, False)])
def test_b_frames_are_found_wherever_the_index_stands(tmp_path, ffmpeg, flags, b_frames, reorders):
    plain, moved = write_numbered_video(tmp_path / "plain.mp4", frames=24, b_frames=b_frames), tmp_path / "moved.mp4"
    options = ["-movflags", flags] if flags else []
    subprocess.run([ffmpeg, "-v", "error", "-i", str(plain), "-c", "copy", *options, str(moved)], check=True, timeout=60)
    assert mp4_reorders_frames(mp4_index(str(moved))) is reorders


def test_large_boxes_and_a_last_one_without_a_size_are_walked_over(tmp_path):
    index = b"\0\0\0\x10moovctts\0\0\0\0"
    large = b"\0\0\0\1mdat" + (16 + 100).to_bytes(8, "big") + bytes(100)
    (tmp_path / "large.mp4").write_bytes(b"\0\0\0\x0cftypisom" + large + index)
    (tmp_path / "endless.mp4").write_bytes(b"\0\0\0\x0cftypisom" + b"\0\0\0\0mdat" + index)
    assert mp4_reorders_frames(mp4_index(str(tmp_path / "large.mp4")))
    assert not mp4_reorders_frames(mp4_index(str(tmp_path / "endless.mp4")))


def test_what_is_no_mp4_reorders_nothing(tmp_path):
    (tmp_path / "text.mp4").write_text("no video, though it speaks of moov and ctts")
    (tmp_path / "empty.mp4").write_bytes(b"")
    for name in ("text.mp4", "empty.mp4", "absent.mp4"):
        assert not mp4_reorders_frames(mp4_index(str(tmp_path / name)))
    assert not mp4_reorders_frames(mp4_index(str(write_numbered_video(tmp_path / "v.mkv", frames=12))))


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mkv", ".webm"])
def test_what_was_written(tmp_path, suffix):
    path = write_video(tmp_path / f"a{suffix}", frames=30, rate=10)
    assert video_seconds(path) == pytest.approx(3.0, abs=0.06)


class Pipe:
    """Like a pipe it cannot be sought, so that the header stays without a duration."""

    def __init__(self, stream):
        self.write = stream.write


def test_a_live_stream_without_a_duration_in_its_header(tmp_path):
    live = tmp_path / "live.webm"
    with live.open("wb") as stream, av.open(Pipe(stream), "w", format="webm", options={"live": "1"}) as container:
        video = container.add_stream("libvpx-vp9", rate=10, options={"deadline": "realtime", "cpu-used": "8"})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        for level in range(30):
            container.mux(video.encode(av.VideoFrame.from_ndarray(np.full((48, 64, 3), 8 * level, np.uint8), format="rgb24")))
        container.mux(video.encode())
    with av.open(str(live)) as container:
        assert (container.streams.video[0].duration, container.duration) == (None, None)
    assert video_seconds(live) == pytest.approx(3.0, abs=0.11)


def test_what_is_no_video(tmp_path):
    assert video_seconds(write_broken(tmp_path / "a.mp4")) is None
    assert video_seconds(tmp_path / "absent.mp4") is None
    assert video_seconds(tmp_path) is None


HEIGHT, WIDTH = 48, 64


@pytest.fixture(scope="module")
def plain(tmp_path_factory, ffmpeg):
    """Without B-frames, so that torchcodec would read it."""
    path = tmp_path_factory.mktemp("plain") / "v.mp4"
    run_ffmpeg(ffmpeg, "-f", "lavfi", "-i", f"testsrc2=size={WIDTH}x{HEIGHT}:rate=25:duration=0.4", "-bf", "0", "-pix_fmt", "yuv420p", path)
    return path


def shown_size(orientation):
    return (WIDTH, HEIGHT) if ORIENTATIONS[orientation][1] else (HEIGHT, WIDTH)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_an_mp4_is_shown_as_ffmpeg_shows_it(tmp_path, plain, ffmpeg, orientation):
    path = tmp_path / "v.mp4"
    path.write_bytes(plain.read_bytes())
    turn(path, orientation, height=HEIGHT, width=WIDTH)
    height, width = shown_size(orientation)
    shown = shown_by_ffmpeg(ffmpeg, path, height=height, width=width)
    for decoder in (AutoDecoder(threads=1, short_side_pixels=None), PyavDecoder(threads=1, short_side_pixels=None)):
        with decoder.open(path) as reader:
            assert apart(reader.frames(range(reader.frame_count)), shown) <= 2
    with AutoDecoder(threads=1, short_side_pixels=24).open(path) as reader:
        assert tuple(reader.frames([0]).shape[2:]) == (height // 2, width // 2)


@pytest.mark.usefixtures("torchcodec_works")
@pytest.mark.parametrize("orientation", ["upright", "hflip", "90"])
def test_one_backend_reads_what_is_turned(tmp_path, plain, orientation):
    path = tmp_path / "v.mp4"
    path.write_bytes(plain.read_bytes())
    turn(path, orientation, height=HEIGHT, width=WIDTH)
    expected = "torchcodec" if orientation == "upright" else "pyav"
    assert AutoDecoder(threads=1, short_side_pixels=None).backend_of(path) == expected


@pytest.mark.parametrize(("yaw_degrees", "roll_degrees"), [(0, 0), (180, 0), (180, 180), (0, 180), (0, 90), (0, -90), (180, 90)])
def test_matroska_too(tmp_path, plain, ffmpeg, yaw_degrees, roll_degrees):
    path = tmp_path / "v.mkv"
    run_ffmpeg(ffmpeg, "-i", plain, "-c", "copy", "-write_crc32", "0", "-live", "1", path)
    turn_matroska(path, yaw_degrees=yaw_degrees, roll_degrees=roll_degrees)
    height, width = (WIDTH, HEIGHT) if abs(roll_degrees) == 90 else (HEIGHT, WIDTH)
    shown = shown_by_ffmpeg(ffmpeg, path, height=height, width=width)
    with AutoDecoder(threads=1, short_side_pixels=None).open(path) as reader:
        assert apart(reader.frames(range(reader.frame_count)), shown) <= 2


def scan_of(path):
    with av.open(str(path)) as container:
        return scan_packets(container, container.streams.video[0])


@pytest.mark.parametrize(
    ("name", "codec", "certain", "by_bytes"),
    [("v.mp4", "libx264", True, False), ("v.ts", "libx264", False, True), ("v.mpg", "mpeg2video", False, False)],
)
def test_frames_by_their_times_and_where_decoding_can_start(tmp_path, name, codec, certain, by_bytes):
    path = write_numbered_video(tmp_path / name, frames=36, codec=codec, keyframe_every=12, b_frames=0)
    scan = scan_of(path)
    assert (scan.frame_count, len(scan.times), scan.certain, scan.by_bytes) == (36, 36, certain, by_bytes)
    assert scan.times == sorted(set(scan.times))
    assert [keyframe.frame for keyframe in scan.keyframes][:3] == [0, 12, 24]
    assert [scan.last_start(frame).frame for frame in (0, 11, 12, 25)] == [0, 0, 12, 24]
    if by_bytes:
        content = path.read_bytes()
        assert all(content[keyframe.byte] == 0x47 for keyframe in scan.keyframes)  # where a packet of a transport stream begins


def test_avi_with_b_frames_tells_no_times(tmp_path):
    scan = scan_of(write_numbered_video(tmp_path / "v.avi", frames=36, b_frames=2))
    assert (scan.frame_count, scan.times, scan.keyframes, scan.last_start(5)) == (36, [], [], None)


def test_a_clock_that_starts_anew_keeps_the_order_of_the_file(tmp_path, ffmpeg):
    """Two recordings one after another, the second one's clock behind the first one's."""
    for number, offset in enumerate((100, 0)):
        source = ["-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25:duration=1"]
        run_ffmpeg(ffmpeg, *source, "-output_ts_offset", str(offset), "-c:v", "mpeg2video", tmp_path / f"{number}.ts")
    whole = tmp_path / "whole.ts"
    whole.write_bytes((tmp_path / "0.ts").read_bytes() + (tmp_path / "1.ts").read_bytes())
    assert scan_of(whole).frame_count == 50
    shown = shown_by_ffmpeg(ffmpeg, whole, height=48, width=64)
    with PyavDecoder(threads=1, short_side_pixels=None).open(whole) as reader:
        for wanted in ([40, 3], [49, 24, 25]):
            assert apart(reader.frames(wanted), shown[wanted]) <= 1
