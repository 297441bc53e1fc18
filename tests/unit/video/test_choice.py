import os
import subprocess
import sys

import pytest
from PIL import Image
from tests.unit.video.numbered_video import numbered_picture, numbers_shown, write_numbered_video
from tests.unit.video.without_ffmpeg import run_without_ffmpeg

from vclr_pl.video.choice import AutoDecoder
from vclr_pl.video.isolated import IsolatedDecoder
from vclr_pl.video.protocol import VideoReadError
from vclr_pl.video.pyav import PyavReader
from vclr_pl.video.torchcodec import TorchcodecReader

DECODER = AutoDecoder(threads=1, short_side_pixels=None)


@pytest.mark.usefixtures("torchcodec_works")
def test_torchcodec_where_ffmpeg_loads(tmp_path):
    for name, b_frames in (("v.mp4", 0), ("v.mkv", 2)):
        with DECODER.open(write_numbered_video(tmp_path / name, frames=12, b_frames=b_frames)) as reader:
            assert isinstance(reader, TorchcodecReader)
            assert numbers_shown(reader.frames([11, 4])) == [11, 4]


@pytest.mark.usefixtures("torchcodec_works")
def test_pyav_where_it_is_faster(tmp_path):
    path = write_numbered_video(tmp_path / "v.mp4", frames=12, b_frames=2)
    for one in (path, write_numbered_video(tmp_path / "v.avi", frames=12, codec="mpeg4", b_frames=0)):
        with DECODER.open(one) as reader:
            assert isinstance(reader, PyavReader)
            assert numbers_shown(reader.frames([11, 4])) == [11, 4]
    with AutoDecoder(threads=2, short_side_pixels=None).open(path) as reader:
        assert not isinstance(reader, PyavReader)


def test_pyav_where_it_does_not(tmp_path):
    """torchcodec's newer versions import without FFmpeg, and fail when the first decoder is made. No word on the terminal."""
    path = write_numbered_video(tmp_path / "v.mp4", frames=12, b_frames=0)
    program = (
        "from vclr_pl.video.choice import AutoDecoder\n"
        "decoder = AutoDecoder(threads=1, short_side_pixels=None)\n"
        f"with decoder.open({str(path)!r}) as reader:\n"
        f"    print(decoder.backend_of({str(path)!r}), reader.backend, len(reader.frames([11, 4])))\n"
    )
    done = run_without_ffmpeg(tmp_path, program)
    assert (done.stdout, done.stderr) == ("pyav pyav 2\n", "")


@pytest.mark.usefixtures("torchcodec_works")
def test_what_reads_a_file_is_named(tmp_path):
    """By the reader, and in the errors of the child process in which it crashes or hangs."""
    (tmp_path / "pictures").mkdir()
    Image.fromarray(numbered_picture(1)).save(tmp_path / "pictures" / "img_00001.jpg")
    written = [
        (write_numbered_video(tmp_path / "b_frames.mp4", frames=12, b_frames=2), "pyav"),
        (write_numbered_video(tmp_path / "plain.mp4", frames=12, b_frames=0), "torchcodec"),
        (write_numbered_video(tmp_path / "v.ts", frames=12), "pyav"),
        (write_numbered_video(tmp_path / "v.avi", frames=12, codec="mpeg4"), "pyav"),
        (tmp_path / "pictures", "frame_folder"),
    ]
    isolated = IsolatedDecoder(decoder=DECODER, decode_timeout_seconds=20)
    for path, backend in written:
        assert DECODER.backend_of(path) == isolated.backend_of(path) == backend
        for decoder in (DECODER, isolated):
            with decoder.open(path) as reader:
                assert reader.backend == backend


def test_a_name_too_long_is_an_error_of_that_file(tmp_path):
    with pytest.raises(VideoReadError, match="File name too long"):
        DECODER.open(tmp_path / ("v" * 300 + ".mp4"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "v.mp4")
    with pytest.raises(VideoReadError, match="not a file"):
        DECODER.open(tmp_path / "v.mp4")


def test_a_folder_is_read_as_pictures(tmp_path):
    for number in range(3):
        Image.fromarray(numbered_picture(number)).save(tmp_path / f"img_{number:05d}.jpg")
    with DECODER.open(tmp_path) as reader:
        assert numbers_shown(reader.frames([2, 1])) == [2, 1]


def test_choosing_and_failing_say_nothing_on_the_terminal(tmp_path):
    (tmp_path / "text.mp4").write_text("no video at all")
    program = (
        "from vclr_pl.video.choice import AutoDecoder\n"
        "from vclr_pl.video.protocol import VideoReadError\n"
        "try:\n"
        f"    AutoDecoder(threads=1, short_side_pixels=None).open({str(tmp_path / 'text.mp4')!r})\n"
        "except VideoReadError:\n"
        "    pass\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_where_it_cannot_load_one_line_says_what_to_install(tmp_path):
    program = (
        "from vclr_pl.video.choice import TorchcodecDecoder\n"
        "from vclr_pl.types import InputError\n"
        "try:\n"
        "    TorchcodecDecoder(threads=1, short_side_pixels=None)\n"
        "except InputError as error:\n"
        "    print(error)\n"
    )
    done = run_without_ffmpeg(tmp_path, program)
    assert (done.returncode, done.stderr) == (0, "")
    (line,) = done.stdout.splitlines()
    assert "expected FFmpeg's shared libraries" in line
    assert "apt install ffmpeg" in line
    assert "decoding=auto" in line


@pytest.mark.usefixtures("torchcodec_works")
def test_every_reader_says_which_backend_it_is(tmp_path):
    from vclr_pl.video.choice import TorchcodecDecoder

    decoder = TorchcodecDecoder(threads=1, short_side_pixels=None)
    for name, backend in (("b.mp4", "torchcodec"), ("v.mkv", "torchcodec"), ("v.avi", "pyav"), ("v.ts", "pyav")):
        path = write_numbered_video(tmp_path / name, frames=12, b_frames=2)
        with decoder.open(path) as reader:
            assert reader.backend == decoder.backend_of(path) == backend
            assert numbers_shown(reader.frames([11, 4])) == [11, 4]
