"""Containers, codecs, pixel formats and clocks of other people's videos: every frame as the ffmpeg program shows it."""

from __future__ import annotations

import numpy as np
import pytest
from tests.unit.video.ffmpeg_frames import apart, run_ffmpeg, shown_by_ffmpeg

from vclr_pl.video.choice import AutoDecoder
from vclr_pl.video.pyav import PyavDecoder

DECODERS = (AutoDecoder(threads=1, short_side_pixels=None), PyavDecoder(threads=1, short_side_pixels=None))
HEIGHT, WIDTH, FRAMES = 96, 128, 20  # H.263 has few sizes, this is one
H264 = ("-c:v", "libx264", "-pix_fmt", "yuv420p")
FORMATS = {  # name: how it is encoded
    "v.gif": ("-pix_fmt", "rgb8"),
    "v.3gp": ("-c:v", "h263"),
    "v.flv": ("-c:v", "flv"),
    "h264.flv": H264,
    "v.wmv": ("-c:v", "wmv2"),
    "v.mpg": ("-c:v", "mpeg2video", "-bf", "2"),
    "v.vob": ("-c:v", "mpeg2video", "-bf", "2", "-f", "vob"),
    "v.m2ts": H264,
    "v.ts": ("-c:v", "mpeg2video", "-bf", "2", "-g", "6"),
    "v.ogv": ("-c:v", "libtheora", "-q:v", "10"),
    "v.y4m": ("-pix_fmt", "yuv420p"),
    "422_10bit.mp4": ("-c:v", "libx264", "-pix_fmt", "yuv422p10le"),
    "444.mp4": ("-c:v", "libx264", "-pix_fmt", "yuv444p"),
    "444_plain.mp4": ("-c:v", "libx264", "-pix_fmt", "yuv444p", "-bf", "0"),
    "gray16.mkv": ("-c:v", "ffv1", "-pix_fmt", "gray16le"),
    "alpha.mov": ("-c:v", "png", "-pix_fmt", "rgba"),
    "alpha.mkv": ("-c:v", "ffv1", "-pix_fmt", "yuva420p"),
    "negative.mp4": (*H264, "-bf", "2", "-movflags", "negative_cts_offsets"),
    "negative.ts": (*H264, "-bf", "2", "-output_ts_offset", "95443.5", "-muxdelay", "0"),  # the clock of 33 bits wraps within
    "huge.mkv": (*H264, "-output_ts_offset", "360000"),
    "huge.mp4": (*H264, "-output_ts_offset", "360000"),
    "slow.mp4": (*H264, "-r", "1"),
    "slow.mkv": (*H264, "-r", "1"),
    "UPPER.MP4": H264,
    "UPPER.WEBM": ("-c:v", "libvpx", "-deadline", "realtime"),
    "live.webm": ("-c:v", "libvpx", "-deadline", "realtime", "-live", "1"),  # no length and no cues
}


def source(rate: int = 25) -> list[str]:
    return ["-f", "lavfi", "-i", f"testsrc2=size={WIDTH}x{HEIGHT}:rate={rate}:duration={FRAMES / rate}"]


@pytest.mark.parametrize("name", FORMATS)
def test_frames_are_those_of_the_ffmpeg_program(tmp_path, ffmpeg, name):
    path = tmp_path / name
    run_ffmpeg(ffmpeg, *source(1 if "slow" in name else 25), *FORMATS[name], path)
    _compare(path, shown_by_ffmpeg(ffmpeg, path, height=HEIGHT, width=WIDTH))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_cover_art_is_not_the_video(tmp_path, ffmpeg, suffix):
    """The picture is the first stream of what is written."""
    cover, video, path = tmp_path / "cover.png", tmp_path / "v.mp4", tmp_path / f"covered{suffix}"
    run_ffmpeg(ffmpeg, "-f", "lavfi", "-i", "color=red:size=64x64", "-frames:v", "1", cover)
    run_ffmpeg(ffmpeg, *source(), *H264, video)
    run_ffmpeg(ffmpeg, "-i", cover, "-i", video, "-map", "0", "-map", "1", "-c", "copy", "-disposition:v:0", "attached_pic", path)
    _compare(path, shown_by_ffmpeg(ffmpeg, video, height=HEIGHT, width=WIDTH))


@pytest.mark.parametrize(("name", "packet_bytes"), [("v.ts", 188), ("v.m2ts", 192)])
@pytest.mark.parametrize("codec", ["libx264", "mpeg2video"])
def test_a_recording_that_begins_within_a_group_of_pictures(tmp_path, ffmpeg, name, packet_bytes, codec):
    """Only what can be decoded is counted."""
    path = tmp_path / name
    run_ffmpeg(ffmpeg, *source(), "-c:v", codec, "-pix_fmt", "yuv420p", "-bf", "2", "-g", "8", path)
    content = path.read_bytes()
    path.write_bytes(content[len(content) // packet_bytes // 5 * packet_bytes :])
    shown = shown_by_ffmpeg(ffmpeg, path, height=HEIGHT, width=WIDTH)
    with DECODERS[0].open(path) as reader:
        assert 8 <= reader.frame_count == len(shown) < FRAMES
        for wanted in ([0, 7], [reader.frame_count - 1, 1], list(range(reader.frame_count))):
            assert apart(reader.frames(wanted), shown[wanted]) <= 3


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_a_title_that_is_not_utf_8_is_no_fault(tmp_path, ffmpeg, suffix):
    path = tmp_path / f"v{suffix}"
    run_ffmpeg(ffmpeg, *source(), *H264, "-metadata", "title=caf==", path)
    content = path.read_bytes()
    assert b"caf==" in content
    path.write_bytes(content.replace(b"caf==", b"caf\xe9\xe8"))
    _compare(path, shown_by_ffmpeg(ffmpeg, path, height=HEIGHT, width=WIDTH))


def _compare(path, shown):
    assert len(shown) == FRAMES
    generator = np.random.default_rng(0)
    for decoder in DECODERS:
        with decoder.open(path) as reader:
            assert reader.frame_count == FRAMES
            assert reader.backend == decoder.backend_of(path)
            for wanted in (*(generator.choice(FRAMES, 4).tolist() for _ in range(3)), list(range(FRAMES))):
                assert apart(reader.frames(wanted), shown[wanted]) <= 3, (reader.backend, wanted)
