"""The listing against the folder on the disk that it lists."""

from __future__ import annotations

import os
import pickle

import pytest

from vclr_pl.datasets.video_scan import is_video, scan_videos
from vclr_pl.remote.listing import Listing
from vclr_pl.remote.server import MD5, Entry
from vclr_pl.types import InputError

NAMES = [
    "b/2.mp4",
    "b/10.mp4",
    "b.mp4",
    "b/c/1.mp4",
    "b-d/1.mp4",
    "b0/1.mp4",
    "a.mp4",
    "a/list.txt",
    ".hidden/1.mp4",
    "é/ü.mp4",
    "caf\udce9/1.mp4",
]


def entry(size: int) -> Entry:
    return Entry(size=size, kind=MD5, tag=size.to_bytes(16, "big"))


@pytest.fixture
def listing(tmp_path):
    return Listing.write(((name, entry(size)) for size, name in enumerate(NAMES)), tmp_path / "listing")


def test_files_are_found_by_name(listing):
    for size, name in enumerate(NAMES):
        assert listing.entry(listing.row(name)) == entry(size)
    assert [listing.row(name) for name in ("b", "b/", "c", "", "zz")] == [None] * 5
    assert [listing.name(row) for row in range(len(listing))] == sorted(NAMES, key=os.fsencode)


def test_it_walks_in_the_order_of_a_folder_on_the_disk(listing, tmp_path):
    for name in NAMES:
        (tmp_path / "disk" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "disk" / name).touch()
    assert list(listing.walk("", wanted=is_video)) == list(scan_videos(tmp_path / "disk"))
    assert list(listing.walk("b", wanted=is_video)) == list(scan_videos(tmp_path / "disk" / "b"))


def test_folders_are_what_files_are_below(listing):
    assert sorted(listing.children("b")) == [("10.mp4", False), ("2.mp4", False), ("c", True)]
    assert listing.is_folder("b")
    assert listing.is_folder("")
    assert not listing.is_folder("b.mp4")
    assert not listing.is_folder("absent")


def test_a_copy_for_another_process_holds_no_arrays(listing):
    assert len(pickle.dumps(listing)) < 500
    assert pickle.loads(pickle.dumps(listing)).row("b.mp4") == listing.row("b.mp4")


def test_equal_files_have_one_folder_in_any_order(listing, tmp_path):
    again = Listing.write(((name, entry(size)) for size, name in reversed(list(enumerate(NAMES)))), tmp_path / "listing")
    assert again.path == listing.path
    assert [path.name for path in (tmp_path / "listing").iterdir()] == [listing.path.name]


def test_no_files_are_refused(tmp_path):
    with pytest.raises(InputError, match="no file"):
        Listing.write([], tmp_path)
