import pytest
from tests.unit.data.decoding.numbered_video import numbers_shown, write_numbered_video
from tests.unit.data.decoding.without_ffmpeg import run_without_ffmpeg


def test_where_it_cannot_load_one_line_says_what_to_install(tmp_path):
    program = (
        "from vclr_pl.data.decoding.torchcodec import TorchcodecDecoder\n"
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
    from vclr_pl.data.decoding.torchcodec import TorchcodecDecoder

    decoder = TorchcodecDecoder(threads=1, short_side_pixels=None)
    for name, backend in (("b.mp4", "torchcodec"), ("v.mkv", "torchcodec"), ("v.avi", "pyav"), ("v.ts", "pyav")):
        path = write_numbered_video(tmp_path / name, frames=12, b_frames=2)
        with decoder.open(path) as reader:
            assert reader.backend == decoder.backend_of(path) == backend
            assert numbers_shown(reader.frames([11, 4])) == [11, 4]
