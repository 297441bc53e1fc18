import wave
from pathlib import Path

import pytest
import torch
from tests.unit.video.numbered_video import numbers_shown, write_numbered_video

from vclr_pl.video.protocol import VideoReadError
from vclr_pl.video.pyav import PyavDecoder

pytestmark = pytest.mark.usefixtures("torchcodec_works")

FILES = [
    ("h264.mp4", "libx264", 2),
    ("h264.mkv", "libx264", 2),
    ("h264.avi", "libx264", 2),
    ("h264.ts", "libx264", 2),
    ("mpeg4.avi", "mpeg4", 0),
    ("mpeg4_b.avi", "mpeg4", 2),
    ("hevc.mp4", "libx265", 2),
    ("mjpeg.avi", "mjpeg", 0),
    ("vp9.webm", "libvpx-vp9", 0),
]
REAL_SUFFIXES = {".mp4", ".avi", ".mkv", ".mov", ".webm"}


@pytest.fixture
def decoder():
    from vclr_pl.video.choice import TorchcodecDecoder

    return TorchcodecDecoder(threads=1, short_side_pixels=None)


@pytest.mark.parametrize(("name", "codec", "b_frames"), FILES, ids=[name for name, _, _ in FILES])
def test_any_indices_in_any_order_of_any_container(tmp_path, decoder, name, codec, b_frames):
    pixel_format = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    path = write_numbered_video(tmp_path / name, frames=60, codec=codec, b_frames=b_frames, pixel_format=pixel_format)
    with decoder.open(path) as reader:
        assert reader.frame_count == 60
        for wanted in ([59], [0], [41, 3, 3, 40, 12, 13, 59, 0], list(range(60))):
            assert numbers_shown(reader.frames(wanted)) == wanted


def test_frames_are_uint8_rgb_with_rows_of_pixels_underneath(tmp_path, decoder):
    with decoder.open(write_numbered_video(tmp_path / "v.mp4", frames=6)) as reader:
        frames = reader.frames([1, 5])
    assert (frames.dtype, tuple(frames.shape)) == (torch.uint8, (2, 3, 48, 64))
    assert frames.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="no /proc here")
def test_a_closed_reader_holds_no_file(tmp_path, decoder):
    path = write_numbered_video(tmp_path / "v.mp4", frames=6)
    with decoder.open(path) as reader:
        reader.frames([1])
        assert _open_descriptors(path) == 1
    assert _open_descriptors(path) == 0


def _open_descriptors(path) -> int:
    return sum(descriptor.exists() and descriptor.resolve() == path.resolve() for descriptor in Path("/proc/self/fd").iterdir())


def test_variable_frame_rate_counts_frames_not_seconds(tmp_path, decoder):
    times = [number if number < 10 else 10 + 7 * (number - 10) for number in range(40)]
    with decoder.open(write_numbered_video(tmp_path / "vfr.mp4", frames=40, times=times)) as reader:
        assert reader.frame_count == 40
        assert numbers_shown(reader.frames([0, 9, 10, 11, 25, 39])) == [0, 9, 10, 11, 25, 39]


def test_both_backends_resize_to_the_same_picture(tmp_path):
    from vclr_pl.video.choice import TorchcodecDecoder

    path = write_numbered_video(tmp_path / "v.mp4", frames=6)
    shown = []
    for kind in (TorchcodecDecoder, PyavDecoder):
        with kind(threads=1, short_side_pixels=24).open(path) as reader:
            shown.append(reader.frames([5, 2]))
    assert tuple(shown[0].shape) == (2, 3, 24, 32)
    assert numbers_shown(shown[0]) == [5, 2]
    assert float((shown[0].float() - shown[1].float()).abs().mean()) <= 2


def test_what_is_no_video_is_refused_with_the_cause_and_without_a_cpp_file_name(tmp_path, decoder):
    with wave.open(str(tmp_path / "audio.mp4"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(16_000))
    whole = write_numbered_video(tmp_path / "whole.mp4", frames=30).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.mp4").touch()
    for name, reason in (("audio.mp4", "no video stream"), ("cut.mp4", "Invalid data"), ("empty.mp4", "empty"), ("absent.mp4", "no such")):
        with pytest.raises(VideoReadError, match=reason) as refused:
            decoder.open(tmp_path / name)
        assert refused.value.path == str(tmp_path / name)
        assert ".cpp" not in str(refused.value)


def test_both_backends_agree_on_real_footage(real_footage, decoder):
    """Same count, and the same frame for the same index: mean absolute difference at most 2 of 255; unreadable for both or for none."""
    pyav = PyavDecoder(threads=1, short_side_pixels=None)
    files = sorted(path for path in real_footage.rglob("*") if path.suffix.lower() in REAL_SUFFIXES)
    sample = files[:: max(1, len(files) // 60)]
    readable = [path for path in sample if _agree(path, decoder, pyav)]
    assert len(readable) >= 1


def _agree(path, *decoders) -> bool:
    shown = []
    for decoder in decoders:
        try:
            with decoder.open(path) as reader:
                last = reader.frame_count - 1
                shown.append((last, reader.frames([last, 0, last // 2, last // 3])))
        except VideoReadError:
            shown.append((None, None))
    (count, frames), (other_count, other_frames) = shown
    assert count == other_count, path
    if count is None:
        return False
    apart = (frames.float() - other_frames.float()).abs().mean(dim=(1, 2, 3))
    assert float(apart.max()) <= 2, path
    return True
