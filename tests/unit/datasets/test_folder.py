"""Folders that are splits; test_folder.py tries the names as a user meets them.
Any folder of videos: every video is used, or counted and named; what can be understood in two ways is refused.
A query is a folder or one file.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest
from tests.video_fixture import copies, write_video

from vclr_pl.datasets.folder import folder, folder_or_file, left_out, split_folders_of
from vclr_pl.datasets.video_scan import subfolders
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


NINE = [f"{name}/{number}.mp4" for name in ("bus", "car", "train") for number in range(3)]


def contents(manifest, root):
    return [(manifest.path(index).removeprefix(f"{root}/"), manifest.label(index)) for index in range(len(manifest))]


def make(root, names):
    copies(root / name for name in names)
    return root


def messages(caplog, level=logging.WARNING):
    return [record.getMessage() for record in caplog.records if record.levelno >= level]


def test_subfolders_are_classes(tmp_path, caplog):
    make(tmp_path, ["run fast/2.mp4", "run fast/deep/1.mp4", "jump/ü.mp4"])
    (tmp_path / "empty").mkdir()
    with caplog.at_level(logging.INFO):
        splits = folder(root=tmp_path)
    assert contents(splits.train, tmp_path) == [("jump/ü.mp4", 0), ("run fast/2.mp4", 1), ("run fast/deep/1.mp4", 1)]
    assert splits.train.class_names == ("jump", "run fast")
    assert splits.test is None
    assert messages(caplog, logging.INFO) == [
        f"{tmp_path}: 1 folder contains no video: empty",
        f"data in {tmp_path}: train: 3 videos of 2 classes (jump, run fast)",
    ]
    unlabeled = folder(root=tmp_path, class_folders=False)
    assert unlabeled.train.labels.tolist() == [-1, -1, -1]
    assert unlabeled.train.class_names == ()


@pytest.mark.parametrize("names", [["1.mp4", "2.mp4"], ["all/1.mp4", "loose.mp4"], ["all/1.mp4", "all/2.mp4"]])
def test_no_subfolders_or_one_mean_no_labels(tmp_path, names, caplog):
    with caplog.at_level(logging.INFO):
        splits = folder(root=make(tmp_path, names))
    assert len(splits.train) == len(names)
    assert set(splits.train.labels.tolist()) == {-1}
    assert splits.train.class_names == ()
    assert messages(caplog, logging.INFO) == [f"data in {tmp_path}: train: {len(names)} videos without labels"]


def test_a_stray_video_beside_class_folders_is_named(tmp_path):
    make(tmp_path, ["jump/1.mp4", "run/1.mp4", "loose.mp4"])
    told = r"got 1 outside \(loose\.mp4\) next to 2 folders \(jump, run\)\. Move them, or set data\.class_folders=false"
    with pytest.raises(InputError, match=told):
        folder(root=tmp_path)
    assert folder(root=tmp_path, class_folders=False).train.labels.tolist() == [-1, -1, -1]
    (tmp_path / "loose.mp4").rename(tmp_path / "run/2.mp4")
    assert folder(root=tmp_path).train.labels.tolist() == [0, 1, 1]


def test_a_class_of_a_split_s_name_is_not_taken_for_a_split(tmp_path):
    make(tmp_path, NINE)
    told = r"got train next to bus, car\. Set data\.split_folders=\[train,TEST\] .*, \[train\] .* or data\.split_folders=\[\]"
    with pytest.raises(InputError, match=told):
        folder(root=tmp_path)
    splits = folder(root=tmp_path, split_folders=[])
    assert (len(splits.train), splits.test, splits.train.class_names) == (9, None, ("bus", "car", "train"))


def test_what_is_beside_chosen_splits_is_counted_and_named(tmp_path, caplog):
    make(tmp_path, [*NINE, "stray.mp4"])
    with caplog.at_level(logging.WARNING):
        splits = folder(root=tmp_path, split_folders=["train", "bus"])
    assert (contents(splits.train, tmp_path), len(splits.test)) == ([(name, -1) for name in NINE[6:]], 3)
    assert messages(caplog) == [f"{tmp_path}: not used, next to train and bus: car (3 videos), stray.mp4"]
    for wrong in (["train", "no"], ["train", "train"], ["bus", "car", "train"], ["../x"], [""]):
        with pytest.raises(InputError, match=r"data\.split_folders to name one or two folders in"):
            folder(root=tmp_path, split_folders=wrong)


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("train", "val"),
        ("Train", "Test"),
        ("TRAIN", "VAL"),
        ("Training", "Validation"),
        ("train", "testing"),
        ("training", "valid"),
    ],
)
def test_splits_are_known_by_their_names_in_any_case(tmp_path, train, test, caplog):
    make(tmp_path, [f"{train}/run/1.mp4", f"{train}/sit/2.mp4", f"{test}/sit/3.mp4"])
    with caplog.at_level(logging.INFO):
        splits = folder(root=tmp_path)
    assert contents(splits.train, tmp_path) == [(f"{train}/run/1.mp4", 0), (f"{train}/sit/2.mp4", 1)]
    assert contents(splits.test, tmp_path) == [(f"{test}/sit/3.mp4", 1)]
    assert splits.train.class_names == splits.test.class_names == ("run", "sit")
    told = f"data in {tmp_path}: train ({train}): 2 videos of 2 classes (run, sit); test ({test}): 1 videos of 1 classes (sit)"
    assert messages(caplog, logging.INFO) == [told]


def test_a_third_split_and_other_folders_are_counted_and_named(tmp_path, caplog):
    make(tmp_path, ["train/run/1.mp4", "train/sit/2.mp4", "val/sit/3.mp4", "test/sit/4.mp4", "notes/5.mp4", "notes/6.mp4"])
    with caplog.at_level(logging.WARNING):
        splits = folder(root=tmp_path)
    assert contents(splits.test, tmp_path) == [("test/sit/4.mp4", 1)]
    assert messages(caplog) == [f"{tmp_path}: not used, next to train and test: notes (2 videos), val (1 videos)"]


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["train/1.mp4", "training/1.mp4", "test/1.mp4"], r"got train, training, test"),
        (["train/1.mp4", "val/1.mp4", "validation/1.mp4"], r"got train, val, validation\."),
        (["train/1.mp4", "stray.mp4"], r"got train next to stray\.mp4"),
        (["Test/1.mp4", "bus/1.mp4"], r"got Test next to bus\. Set data\.split_folders=\[TRAIN,TEST\] .*, \[TRAIN\] to"),
        (["trainval/1.mp4", "test/1.mp4"], r"got test next to trainval\. Set data\.split_folders=\[TRAIN,TEST\]"),
        (["bus/1.mp4", "car/1.mp4", "test/1.mp4"], r"got test next to bus, car\. Set data\.split_folders=\[TRAIN,TEST\]"),
        (["val/1.mp4", "test/1.mp4"], r"got test, val\. Set data\.split_folders=\[TRAIN,TEST\]"),
        (["train/1.mp4", "dev/1.mp4"], r"got train next to dev\. Set data\.split_folders=\[train,dev\]"),
        (["train/1.mp4", "eval/1.mp4", "x.mp4"], r"got train next to eval, x\.mp4\. Set data\.split_folders=\[train,eval\]"),
        (["train/1.mp4", "val_256/1.mp4", "notes/1.mp4"], r"got train next to notes, val_256\. Set data\.split_folders=\[train,val_256\]"),
        (["train_256/a/1.mp4", "val_256/a/1.mp4"], r"got train_256, val_256\. Set data\.split_folders=\[train_256,val_256\]"),
        (["train_set/a/1.mp4", "test_set/a/1.mp4"], r"\[train_set,test_set\]"),
        (["train1/a/1.mp4", "test1/a/1.mp4"], r"\[train1,test1\]"),
        (["train1/1.mp4", "train2/1.mp4", "test1/1.mp4"], r"\[TRAIN,TEST\]"),
        (["Training Set/a/1.mp4", "Test Set/a/1.mp4"], r"Set 'data\.split_folders=\[Training Set,Test Set\]'"),
        ([f"{name}/1.mp4" for name in ("train", *"abcdefg")], r"got train next to a, b, c, d, e and 2 more\."),
        (["val/1.mp4"], r"got val\. Set"),
    ],
)
def test_names_that_can_be_understood_in_two_ways_are_refused(tmp_path, names, told):
    with pytest.raises(InputError, match=told):
        folder(root=make(tmp_path, names))


@pytest.mark.parametrize(
    "names", [["train 1/1.mp4", "train 2/1.mp4"], ["trainspotting/1.mp4", "testify/1.mp4"], ["valley/1.mp4", "bus/1.mp4"]]
)
def test_classes_that_begin_alike_are_classes(tmp_path, names):
    splits = folder(root=make(tmp_path, names))
    assert (len(splits.train.class_names), splits.test) == (2, None)


def test_a_link_and_its_target_are_one_video(tmp_path, caplog):
    make(tmp_path, ["a/1.mp4", "b/2.mp4"])
    (tmp_path / "a/again.mp4").symlink_to(tmp_path / "a/1.mp4")
    os.link(tmp_path / "b/2.mp4", tmp_path / "b/hard.mp4")
    with caplog.at_level(logging.WARNING):
        splits = folder(root=tmp_path)
    assert contents(splits.train, tmp_path) == [("a/1.mp4", 0), ("b/2.mp4", 1)]
    assert messages(caplog) == [f"{tmp_path}: 2 files are links to other files and are read once: a/again.mp4, b/hard.mp4"]


def test_a_split_of_links_into_another_folder_keeps_its_videos(tmp_path):
    make(tmp_path, ["all/1.mp4", "all/2.mp4"])
    for number, split in enumerate(("train", "val"), 1):
        (tmp_path / split).mkdir()
        (tmp_path / split / "x.mp4").symlink_to(tmp_path / f"all/{number}.mp4")
    splits = folder(root=tmp_path)
    assert (contents(splits.train, tmp_path), contents(splits.test, tmp_path)) == ([("train/x.mp4", -1)], [("val/x.mp4", -1)])


def test_a_folder_without_videos_is_told(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError, match=r"video files \(.*\.mp4.*; got none\. Set data\.root=DIR"):
        folder(root=tmp_path)


def test_a_file_is_one_video_without_a_label(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4")
    splits = folder_or_file(root=path)
    assert [splits.train[0], len(splits.train), splits.test] == [(str(path), {"label": -1}), 1, None]
    assert not splits.published


def test_a_folder_is_as_ever(tmp_path: Path) -> None:
    for name in ("run/a.mp4", "jump/b.mp4"):
        write_video(tmp_path / name)
    assert folder_or_file(root=tmp_path).train.class_names == ("jump", "run")
    assert not folder_or_file(root=tmp_path, class_folders=False).train.labeled
    with pytest.raises(InputError, match="does not exist"):
        folder_or_file(root=tmp_path / "absent")


def test_the_layout_of_a_benchmark_is_recognized(tmp_path, caplog):
    copies([tmp_path / "UCF-101/bus/1.avi", tmp_path / "UCF-101/car/1.avi"])
    (tmp_path / "ucfTrainTestlist").mkdir()
    with caplog.at_level(logging.WARNING):
        folder(root=tmp_path)
    assert any("looks like ucf101: experiment=ucf101 or data=ucf101 reads its labels" in message for message in caplog.messages)
