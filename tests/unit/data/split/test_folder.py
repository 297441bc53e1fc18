"""Any folder of videos."""

from __future__ import annotations

import pytest
from tests.video_fixture import copies

from vclr_pl.data.split.folder import folder
from vclr_pl.types import InputError


def contents(manifest, root):
    return [(manifest.path(index).removeprefix(f"{root}/"), manifest.label(index)) for index in range(len(manifest))]


def test_subfolders_are_classes(tmp_path):
    copies(tmp_path / name for name in ["run fast/2.mp4", "run fast/deep/1.mp4", "jump/ü.mp4"])
    splits = folder(root=tmp_path)
    assert contents(splits.train, tmp_path) == [("jump/ü.mp4", 0), ("run fast/2.mp4", 1), ("run fast/deep/1.mp4", 1)]
    assert splits.train.class_names == ("jump", "run fast")
    assert splits.test is None
    unlabeled = folder(root=tmp_path, class_folders=False)
    assert unlabeled.train.labels.tolist() == [-1, -1, -1]
    assert unlabeled.train.class_names == ()


@pytest.mark.parametrize("names", [["1.mp4", "2.mp4"], ["jump/1.mp4", "run/1.mp4", "loose.mp4"], ["all/1.mp4", "all/2.mp4"]])
def test_no_subfolders_one_or_loose_videos_mean_no_labels(tmp_path, names):
    copies(tmp_path / name for name in names)
    splits = folder(root=tmp_path)
    assert len(splits.train) == len(names)
    assert set(splits.train.labels.tolist()) == {-1}
    assert splits.train.class_names == ()


def test_train_and_test_subfolders_are_the_splits(tmp_path):
    copies(tmp_path / name for name in ["train/run/1.mp4", "train/sit/2.mp4", "val/sit/3.mp4", "notes/4.mp4"])
    splits = folder(root=tmp_path)
    assert contents(splits.train, tmp_path) == [("train/run/1.mp4", 0), ("train/sit/2.mp4", 1)]
    assert contents(splits.test, tmp_path) == [("val/sit/3.mp4", 1)]
    assert splits.train.class_names == splits.test.class_names == ("run", "sit")


def test_a_folder_without_videos_is_told(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError, match=r"video files \(.*\.mp4.*; got none\. Set data\.root=DIR"):
        folder(root=tmp_path)
