"""All eight orientations, as the ffmpeg program shows them."""

import pytest
from tests.unit.data.decoding.ffmpeg_frames import apart, run_ffmpeg, shown_by_ffmpeg
from tests.unit.data.decoding.turned_video import ORIENTATIONS, turn, turn_matroska

from vclr_pl.data.decoding.auto import AutoDecoder
from vclr_pl.data.decoding.pyav import PyavDecoder

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
