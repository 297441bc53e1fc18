"""Kinetics-400's layouts in miniature, in H.264: class folders or flat, with the CSV files or without."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from tests.video_fixture import KINETICS_CLASSES, copies, make_kinetics400

from vclr_pl.datasets.kinetics400 import kinetics400
from vclr_pl.types import InputError


def names(manifest):
    return sorted((Path(manifest.path(index)).name, manifest.label(index)) for index in range(len(manifest)))


TRAIN = [
    (f"-tr{number}_{short}_{10 * number:06d}_{10 * number + 10:06d}.mp4", label)
    for label, short in enumerate(["abs", "air"])
    for number in range(2)
]
TEST = [
    (f"-va{number}_{short}_{10 * number:06d}_{10 * number + 10:06d}.mp4", label)
    for label, short in enumerate(["abs", "air"])
    for number in range(2)
]


@pytest.mark.parametrize("class_folders", [True, False])
def test_rows_without_a_video_are_counted(tmp_path, class_folders, caplog):
    root = make_kinetics400(tmp_path, class_folders=class_folders)
    with caplog.at_level(logging.WARNING):
        splits = kinetics400(root=root)
    assert names(splits.train) == sorted(TRAIN)
    assert names(splits.test) == sorted(TEST)
    assert splits.train.class_names == splits.test.class_names == KINETICS_CLASSES
    assert splits.published
    assert splits.absent == 2
    assert [record.getMessage() for record in caplog.records] == [
        f"train.csv: 2 of 6 videos are not below {root / 'train'}; continuing without them"
    ]
    assert Path(splits.train.path(0)).is_file()


def test_class_folders_alone(tmp_path):
    root = make_kinetics400(tmp_path)
    for path in root.glob("*.csv"):
        path.unlink()
    splits = kinetics400(root=root)
    assert (names(splits.train), names(splits.test), splits.absent) == (sorted(TRAIN), sorted(TEST), 0)
    assert splits.train.class_names == splits.test.class_names == KINETICS_CLASSES


def test_lists_elsewhere_other_suffixes_and_no_validation_set(tmp_path):
    root = make_kinetics400(tmp_path / "root", suffix=".mkv")
    (tmp_path / "lists").mkdir()
    (root / "train.csv").rename(tmp_path / "lists/kinetics400_train.csv")
    (root / "val").rename(root / "other")
    splits = kinetics400(root=root, lists=tmp_path / "lists")
    assert [(name.removesuffix(".mkv"), label) for name, label in names(splits.train)] == [
        (name.removesuffix(".mp4"), label) for name, label in sorted(TRAIN)
    ]
    assert splits.test is None


def test_folders_in_other_case(tmp_path):
    root = make_kinetics400(tmp_path)
    for path in root.glob("*.csv"):
        path.unlink()
    (root / "train").rename(root / "Train")
    (root / "val").rename(root / "VAL")
    splits = kinetics400(root=root)
    assert (names(splits.train), names(splits.test)) == (sorted(TRAIN), sorted(TEST))
    (root / "Train").rename(root / "fit")
    with pytest.raises(InputError, match=r"a folder of training videos, '.*train', next to 'VAL'; got none"):
        kinetics400(root=root)


def test_videos_of_one_name_and_videos_without_a_row(tmp_path, caplog):
    root = make_kinetics400(tmp_path)
    clip = "-tr0_abs_000000_000010.mp4"
    (root / "train/air drumming" / clip).symlink_to(root / "train/abseiling" / clip)
    (root / "train/abseiling/more").mkdir()
    copies([root / "train/abseiling/more/unknown.mp4", root / "train/air drumming/deep" / clip])
    with caplog.at_level(logging.WARNING):
        splits = kinetics400(root=root)
    assert names(splits.train) == sorted(TRAIN)
    assert splits.train.path(0) == str(root / "train/abseiling" / clip)  # the row says abseiling
    assert "train.csv does not list 1 of the videos below" in caplog.text
    assert "left out: abseiling/more/unknown.mp4" in caplog.text
    (root / "train/abseiling" / clip).rename(root / "train" / clip)
    with pytest.raises(
        InputError, match=r"got 1 videos with several, for instance '-tr0_abs_000000_000010': -tr0.*mp4, air drumming/deep/-tr0"
    ):
        kinetics400(root=root)


def test_what_is_wrong_is_told(tmp_path):
    root = make_kinetics400(tmp_path)
    (root / "train.csv").write_text("label,youtube_id,time_start,time_end,split\nabseiling,../../x,0,10,train\n")
    with pytest.raises(InputError, match=r"data\.allow_outside_root=true"):
        kinetics400(root=root)
    for time in ("zero", "1e999"):
        (root / "train.csv").write_text(f"label,youtube_id,time_start,time_end,split\nabseiling,x,{time},10,train\n")
        with pytest.raises(InputError, match="line 2 of"):
            kinetics400(root=root)
    (root / "train.csv").write_text("label,youtube_id,time_start,time_end,split\nabseiling,x,0,10,train\n")
    with pytest.raises(InputError, match=r"named <id>_<start>_<end>\.mp4; got none of them"):
        kinetics400(root=root)
    (root / "train.csv").write_text("id,class\n1,2\n")
    with pytest.raises(InputError, match="got no label, time_end, time_start, youtube_id"):
        kinetics400(root=root)
