"""Folders that are splits; test_folder.py tries the names as a user meets them."""

from __future__ import annotations

import pytest
from tests.video_fixture import copies

from vclr_pl.data.split.split_folders import left_out, split_folders_of
from vclr_pl.data.split.video_scan import subfolders
from vclr_pl.types import InputError


def test_folders_without_videos_and_hidden_ones_are_no_splits(tmp_path):
    copies([tmp_path / "bus/1.mp4", tmp_path / ".train/2.mp4"])
    (tmp_path / "train").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    assert subfolders(tmp_path) == ["bus", "train"]
    assert split_folders_of(tmp_path, chosen=None) == []


def test_chosen_folders_win_over_names(tmp_path):
    copies(tmp_path / name for name in ("train/1.mp4", "val/1.mp4", "fold 2/1.mp4", "fold 2/2.mp4", "x.mp4"))
    assert split_folders_of(tmp_path, chosen=None) == ["train", "val"]
    assert split_folders_of(tmp_path, chosen=["train", "fold 2"]) == ["train", "fold 2"]
    assert split_folders_of(tmp_path, chosen=[]) == []
    assert left_out(tmp_path, parts=["train", "val"]) == ["fold 2 (2 videos)", "x.mp4"]
    with pytest.raises(InputError, match=r"got \[train, absent\]"):
        split_folders_of(tmp_path, chosen=["train", "absent"])
