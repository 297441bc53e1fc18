"""Finding video files below a folder."""

from __future__ import annotations

import pytest

from vclr_pl.data.split.video_scan import data_folder, first_folder, is_video, scan_videos
from vclr_pl.types import InputError


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.mp4", True),
        ("A.MP4", True),
        ("b c.AvI", True),
        ("-x.webm", True),
        ("a.mp4.txt", False),
        ("mp4", False),
        ("._a.mp4", False),
        ("a.wav", False),
    ],
)
def test_is_video(name, expected):
    assert is_video(name) is expected


def test_scan_is_sorted_folder_by_folder_and_passes_over_what_is_hidden(tmp_path):
    for name in ["b/2.mp4", "b/1.AVI", "a/deep/er/x y.webm", "z.mkv", "notes.txt", ".hidden/1.mp4", "a/._1.mp4", "ünïcode/日本.mp4"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert list(scan_videos(tmp_path)) == ["z.mkv", "a/deep/er/x y.webm", "b/1.AVI", "b/2.mp4", "ünïcode/日本.mp4"]


def test_links_are_followed_and_loops_are_not(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk/1.mp4").touch()
    (tmp_path / "data").mkdir()
    (tmp_path / "data/link").symlink_to(tmp_path / "disk")
    (tmp_path / "disk/loop").symlink_to(tmp_path / "data")
    assert list(scan_videos(tmp_path / "data")) == ["link/1.mp4"]


def test_bad_roots_are_told(tmp_path):
    (tmp_path / "file.mp4").touch()
    (tmp_path / "empty").mkdir()
    for name, cause in [("absent", "does not exist"), ("file.mp4", "is a file"), ("empty", "is empty")]:
        with pytest.raises(InputError, match=rf"{name}', which {cause}. Set data.root=DIR"):
            data_folder(tmp_path / name)
    assert data_folder(tmp_path) == tmp_path


def test_first_folder_that_exists(tmp_path):
    assert first_folder([tmp_path / "a", tmp_path]) == tmp_path
    assert first_folder([tmp_path / "a"]) is None
