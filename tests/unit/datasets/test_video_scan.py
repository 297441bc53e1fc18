"""Finding video files below a folder.
Videos by name: one file each, whatever else is there.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from vclr_pl.datasets.video_scan import VideoIndex, data_folder, distinct_videos, few, first_folder, is_video, scan_videos
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


def test_what_is_passed_over_is_counted_and_named(tmp_path, caplog):
    (tmp_path / "bus").mkdir()
    (tmp_path / "bus/1.mp4").touch()
    (tmp_path / "car").symlink_to(tmp_path / "bus")
    (tmp_path / "gone").symlink_to(tmp_path / "unmounted")
    (tmp_path / "bus/around").symlink_to(tmp_path)
    with caplog.at_level(logging.WARNING):
        assert list(scan_videos(tmp_path)) == ["bus/1.mp4"]
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path}: 2 folders are links to other folders, whose files are read once: bus/around (is .), car (is bus)",
        f"{tmp_path}: 1 links are broken: gone",
    ]


@pytest.fixture
def unreadable() -> Iterator[Path]:
    """A folder `a/` beside `b/` and `c/`, of which b cannot be read; root, whom rights do not bind, is another user meanwhile."""
    top = Path(tempfile.mkdtemp())
    for name in "abc":
        (top / name).mkdir()
        (top / name / "1.mp4").touch()
    for path in (top, top / "a", top / "c"):
        path.chmod(0o755)
    (top / "b").chmod(0)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    yield top
    if is_root:
        os.seteuid(0)
    (top / "b").chmod(0o755)
    shutil.rmtree(top)


def test_an_unreadable_folder_is_named(unreadable, caplog):
    with caplog.at_level(logging.WARNING):
        assert list(scan_videos(unreadable)) == ["a/1.mp4", "c/1.mp4"]
    told = f"{unreadable}: 1 folders cannot be read and are left out: b (Permission denied)"
    assert [record.getMessage() for record in caplog.records] == [told]
    with pytest.raises(InputError, match=r"b', which cannot be read \(Permission denied\)\. Set data\.root=DIR"):
        data_folder(unreadable / "b")


def test_each_file_once(tmp_path, caplog):
    (tmp_path / "a.mp4").write_text("a")
    (tmp_path / "b.mp4").symlink_to("a.mp4")
    (tmp_path / "c.mp4").symlink_to("absent.mp4")
    (tmp_path / "d.mp4").write_text("a")
    os.link(tmp_path / "d.mp4", tmp_path / "e.mp4")
    with caplog.at_level(logging.WARNING):
        assert list(distinct_videos(tmp_path)) == ["a.mp4", "c.mp4", "d.mp4"]
    assert f"{tmp_path}: 2 files are links to other files and are read once: b.mp4, e.mp4" in caplog.text


def test_few():
    assert few(list("abcde")) == "a, b, c, d, e"
    assert few(list("abcdef")) == "a, b, c, d, e and 1 more"


def test_bad_roots_are_told(tmp_path):
    (tmp_path / "file.mp4").touch()
    (tmp_path / "empty").mkdir()
    for name, cause in [("absent", "does not exist"), ("file.mp4", "is a file"), ("empty", "is empty")]:
        with pytest.raises(InputError, match=rf"{name}', which {cause}. Set data.root=DIR"):
            data_folder(tmp_path / name)
    assert data_folder(tmp_path) == tmp_path


def test_first_folder_that_exists(tmp_path, caplog):
    assert first_folder([tmp_path / "a"]) is None
    (tmp_path / "Train").mkdir()
    assert first_folder([tmp_path / "other", tmp_path / "train"]) == tmp_path / "Train"
    for name in ("train_256", "train"):
        (tmp_path / name).mkdir()
    with caplog.at_level(logging.WARNING):
        assert first_folder([tmp_path / "train", tmp_path / "train_256"]) == tmp_path / "train"
    assert f"videos are read from {tmp_path / 'train'}; left out: train_256" in caplog.text


@pytest.fixture
def root(tmp_path):
    for name in ("a/x.mp4", "b/x.mkv", "v_y.mp4", "z.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    os.link(tmp_path / "z.mp4", tmp_path / "b/z.mp4")
    return tmp_path


def test_files_are_found_and_the_others_are_named(root, caplog):
    index = VideoIndex(root)
    assert [index.find("y", "v_y"), index.find("z"), index.find("w"), index.find("x", parent="b")] == ["v_y.mp4", "z.mp4", None, "b/x.mkv"]
    index.refuse_clashes()
    with caplog.at_level(logging.WARNING):
        VideoIndex(root).tell_unlisted("list.csv", known=["x", "z"])
    assert [record.getMessage() for record in caplog.records] == [
        f"list.csv does not list 1 of the videos below {root}, which are left out: v_y.mp4"
    ]


def test_two_files_of_one_name_are_refused(root):
    index = VideoIndex(root, key="untrimmed.root")
    assert index.find("x") == "a/x.mp4"
    told = r"got 1 videos with several, for instance 'x': a/x\.mp4, b/x\.mkv\. Keep .*set untrimmed\.root=DIR"
    with pytest.raises(InputError, match=told):
        index.refuse_clashes()
