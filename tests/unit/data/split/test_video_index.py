"""Videos by name: one file each, whatever else is there."""

from __future__ import annotations

import logging
import os

import pytest

from vclr_pl.data.split.video_index import VideoIndex
from vclr_pl.types import InputError


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
        f"list.csv does not name 1 of the videos below {root}, which are left out: v_y.mp4"
    ]


def test_two_files_of_one_name_are_refused(root):
    index = VideoIndex(root, key="untrimmed.root")
    assert index.find("x") == "a/x.mp4"
    told = r"got 1 with several, for instance 'x': a/x\.mp4, b/x\.mkv\. Remove .*set untrimmed\.root=DIR"
    with pytest.raises(InputError, match=told):
        index.refuse_clashes()
