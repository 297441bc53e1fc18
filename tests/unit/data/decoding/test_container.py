import subprocess

import pytest
from tests.unit.data.decoding.numbered_video import write_numbered_video

from vclr_pl.data.decoding.container import container_of, mp4_index, mp4_reorders_frames


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
