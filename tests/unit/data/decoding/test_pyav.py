import subprocess
import wave
from pathlib import Path

import pytest
import torch
from tests.unit.data.decoding.numbered_video import numbers_shown, write_numbered_video

from vclr_pl.data.decoding.protocol import VideoReadError
from vclr_pl.data.decoding.pyav import PyavDecoder

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


@pytest.mark.parametrize("b_frames", [0, 2])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_only_what_lies_behind_the_last_keyframe_is_decoded(tmp_path, monkeypatch, suffix, b_frames):
    with DECODER.open(write_numbered_video(tmp_path / f"v{suffix}", frames=60, keyframe_every=10, b_frames=b_frames)) as reader:
        read, original = [], type(reader)._read
        monkeypatch.setattr(type(reader), "_read", lambda self: (original(self), read.append(self._position)))
        reader.frames([3, 5, 41, 52])
    assert read == [0, 1, 2, 3, 4, 5, 40, 41, 50, 51, 52]


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
