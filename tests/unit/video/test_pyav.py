import subprocess
import wave
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from tests.unit.video.numbered_video import numbers_shown, write_numbered_video

from vclr_pl.video.protocol import VideoReadError
from vclr_pl.video.pyav import PyavDecoder

DECODER = PyavDecoder(threads=1, short_side_pixels=None)
FILES = [
    ("h264.mp4", "libx264", 2),
    ("h264.mkv", "libx264", 2),
    ("h264.avi", "libx264", 2),  # no presentation times
    ("h264.ts", "libx264", 2),  # no exact seeking
    ("mpeg4.avi", "mpeg4", 0),
    ("mpeg4_b.avi", "mpeg4", 2),
    ("hevc.mp4", "libx265", 2),
    ("mjpeg.avi", "mjpeg", 0),
    ("vp9.webm", "libvpx-vp9", 0),  # no length in the header
]


@pytest.mark.parametrize(("name", "codec", "b_frames"), FILES, ids=[name for name, _, _ in FILES])
def test_any_indices_in_any_order_of_any_container(tmp_path, name, codec, b_frames):
    pixel_format = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    path = write_numbered_video(tmp_path / name, frames=60, codec=codec, b_frames=b_frames, pixel_format=pixel_format)
    with DECODER.open(path) as reader:
        assert reader.frame_count == 60
        for wanted in ([59], [0], [41, 3, 3, 40, 12, 13, 59, 0], list(range(60))):
            assert numbers_shown(reader.frames(wanted)) == wanted


def test_frames_are_uint8_rgb_with_rows_of_pixels_underneath(tmp_path):
    with DECODER.open(write_numbered_video(tmp_path / "v.mp4", frames=6)) as reader:
        frames = reader.frames([1, 5])
    assert (frames.dtype, tuple(frames.shape)) == (torch.uint8, (2, 3, 48, 64))
    assert frames.is_contiguous(memory_format=torch.channels_last)


def test_variable_frame_rate_counts_frames_not_seconds(tmp_path):
    times = [number if number < 10 else 10 + 7 * (number - 10) for number in range(40)]
    with DECODER.open(write_numbered_video(tmp_path / "vfr.mp4", frames=40, times=times)) as reader:
        assert reader.frame_count == 40
        assert numbers_shown(reader.frames([0, 9, 10, 11, 25, 39])) == [0, 9, 10, 11, 25, 39]


def test_frames_that_an_edit_list_hides_are_not_counted(tmp_path, ffmpeg):
    whole, cut = write_numbered_video(tmp_path / "whole.mp4", frames=60), tmp_path / "cut.mp4"
    subprocess.run([ffmpeg, "-v", "error", "-ss", "0.6", "-i", str(whole), "-c", "copy", str(cut)], check=True, timeout=60)
    with DECODER.open(cut) as reader:
        assert reader.frame_count == 45
        assert numbers_shown(reader.frames([0, 44, 20])) == [15, 59, 35]


def frames_read(monkeypatch, reader, wanted):
    read, original = [], type(reader)._read
    with monkeypatch.context() as patch:
        patch.setattr(type(reader), "_read", lambda self: (original(self), read.append(self._position)))
        reader.frames(wanted)
    return read


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".m2ts", ".flv"])
def test_only_what_lies_behind_the_last_keyframe_is_decoded(tmp_path, monkeypatch, suffix):
    with DECODER.open(write_numbered_video(tmp_path / f"v{suffix}", frames=60, keyframe_every=10, b_frames=0)) as reader:
        assert frames_read(monkeypatch, reader, [3, 5, 41, 52]) == [0, 1, 2, 3, 4, 5, 40, 41, 50, 51, 52]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_frames_that_no_other_needs_are_passed_over(tmp_path, monkeypatch, suffix):
    path = write_detailed_video(tmp_path / f"v{suffix}", options={"bf": "3", "x264-params": "b-adapt=0:b-pyramid=none:scenecut=0"})
    with DECODER.open(path) as reader:  # one group of pictures, I B B B P B B B P: every fourth frame is needed by others
        assert frames_read(monkeypatch, reader, [10, 30]) == [0, 4, 8, 10, 12, 16, 20, 24, 28, 30]
        assert frames_read(monkeypatch, reader, [31, 32, 33, 35]) == [31, 32, 33, 35]  # goes on from there


def test_what_the_decoder_read_ahead_is_there_for_the_next_call(tmp_path, monkeypatch):
    path = write_detailed_video(tmp_path / "v.mp4", options={"bf": "3", "x264-params": "b-adapt=0:b-pyramid=normal:scenecut=0"})
    with DECODER.open(path) as reader:
        for index in range(12):
            assert frames_read(monkeypatch, reader, [index]) == [index]


def test_all_frames_are_decoded_where_a_mark_may_mean_less(tmp_path, monkeypatch):
    """HEVC calls a frame unreferenced that only its own layer does not reference."""
    path = write_numbered_video(tmp_path / "v.mp4", frames=30, codec="libx265", b_frames=3, keyframe_every=30)
    with DECODER.open(path) as reader:
        assert frames_read(monkeypatch, reader, [20])[:21] == list(range(21))


def test_none_is_passed_over_where_frames_are_counted(tmp_path, ffmpeg):
    """A transport stream that begins just before its clock wraps has negative times; it cannot be sought exactly."""
    whole, stream = write_numbered_video(tmp_path / "v.mp4", frames=40, b_frames=2), tmp_path / "v.ts"
    command = [ffmpeg, "-v", "error", "-i", str(whole), "-c", "copy", "-output_ts_offset", "95430", "-muxdelay", "0", str(stream)]
    subprocess.run(command, check=True, timeout=60)
    with DECODER.open(stream) as reader:
        assert numbers_shown(reader.frames([13, 3])) == [13, 3]


GROUPS_OF_PICTURES = {
    "adaptive, pyramid": {"bf": "5", "b_strategy": "2"},
    "open": {"bf": "3", "g": "12", "x264-params": "open-gop=1"},
    "no B-frames": {"bf": "0", "g": "12"},
    "intra refresh": {"bf": "0", "x264-params": "intra-refresh=1:keyint=20"},
}


@pytest.mark.parametrize("options", GROUPS_OF_PICTURES.values(), ids=GROUPS_OF_PICTURES.keys())
def test_passing_over_changes_no_pixel_whatever_is_asked_in_whatever_order(tmp_path, options):
    path = write_detailed_video(tmp_path / "v.mp4", options=options)
    with PyavDecoder(threads=2, short_side_pixels=None).open(path) as reader:  # with two threads nothing is passed over
        whole = reader.frames(range(DETAILED_FRAMES))
    generator = np.random.default_rng(0)
    for _ in range(4):
        with DECODER.open(path) as reader:
            for _ in range(4):  # of one open video, on and back
                wanted = generator.choice(DETAILED_FRAMES, 5).tolist()
                assert torch.equal(reader.frames(wanted), whole[wanted]), wanted
            for first in range(0, DETAILED_FRAMES, 9):
                wanted = list(range(first, min(first + 9, DETAILED_FRAMES)))
                assert torch.equal(reader.frames(wanted), whole[wanted]), wanted


DETAILED_FRAMES = 50


def write_detailed_video(path, *, options):
    """A moving texture, so that every frame is predicted from others and none is a mere copy."""
    texture = np.random.default_rng(3).integers(0, 256, (96, 160, 3), dtype=np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "fast", "crf": "20", "g": "250", **options})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for number in range(DETAILED_FRAMES):
            picture = np.ascontiguousarray(np.roll(texture, (number, 2 * number), axis=(0, 1))[:64, :96])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def test_the_short_side_is_resized_while_decoding(tmp_path):
    path = write_numbered_video(tmp_path / "v.mp4", frames=6)
    with PyavDecoder(threads=1, short_side_pixels=24).open(path) as reader:
        frames = reader.frames([5, 2])
    assert tuple(frames.shape) == (2, 3, 24, 32)
    assert numbers_shown(frames) == [5, 2]


def test_gray_and_ten_bit_are_rgb(tmp_path):
    for name, pixel_format in (("gray.mp4", "gray"), ("ten_bit.mp4", "yuv420p10le")):
        with DECODER.open(write_numbered_video(tmp_path / name, frames=20, pixel_format=pixel_format)) as reader:
            assert numbers_shown(reader.frames([19, 7])) == [19, 7]


def test_a_text_an_audio_file_and_a_cut_file_are_refused_with_the_cause(tmp_path):
    (tmp_path / "text.mp4").write_text("no video at all")
    with wave.open(str(tmp_path / "audio.mp4"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(16_000))
    whole = write_numbered_video(tmp_path / "whole.mp4", frames=30).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    for name, reason in (("text.mp4", "Invalid data"), ("audio.mp4", "no video stream"), ("cut.mp4", "Invalid data")):
        with pytest.raises(VideoReadError, match=reason) as refused:
            DECODER.open(tmp_path / name)
        assert (refused.value.path, refused.value.backend) == (str(tmp_path / name), "pyav")


def test_damaged_frames_are_an_error_of_that_video_and_never_a_wrong_frame(tmp_path):
    path = write_numbered_video(tmp_path / "v.mp4", frames=60)
    content = bytearray(path.read_bytes())
    content[len(content) // 3 : len(content) // 2] = b"\xff" * (len(content) // 2 - len(content) // 3)
    path.write_bytes(bytes(content))
    with DECODER.open(path) as reader:
        outcomes = [_shown_or_error(reader, index) for index in range(60)]
    assert VideoReadError in outcomes
    assert all(outcome in (VideoReadError, index) for index, outcome in enumerate(outcomes))


def _shown_or_error(reader, index):
    try:
        return numbers_shown(reader.frames([index]))[0]
    except VideoReadError:
        return VideoReadError


def test_reading_leaves_no_open_file(tmp_path):
    path = write_numbered_video(tmp_path / "v.avi", frames=12, codec="mpeg4")
    descriptors = _open_descriptors(path)
    with DECODER.open(path) as reader:
        reader.frames([11, 0])
    assert _open_descriptors(path) == descriptors == 0


def _open_descriptors(path) -> int:
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        pytest.skip("no /proc here")
    return sum(descriptor.exists() and descriptor.resolve() == path.resolve() for descriptor in folder.iterdir())
