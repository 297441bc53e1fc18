"""HMDB51's layout in miniature, in XVID."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.video_fixture import HMDB51_CLASSES, make_hmdb51

from vclr_pl.datasets.hmdb51 import hmdb51
from vclr_pl.types import InputError


def numbers(manifest):
    return [(int(Path(manifest.path(index)).stem[-1]), manifest.label(index)) for index in range(len(manifest))]


@pytest.mark.parametrize("video_folder", ["hmdb51_org", "videos", ""])
@pytest.mark.parametrize("split", [1, 2, 3])
def test_official_splits(tmp_path, split, video_folder):
    """Videos 0, 1 and 2 of each class train but for the one that tests; video 3 is of neither list."""
    splits = hmdb51(root=make_hmdb51(tmp_path, video_folder=video_folder), split=split)
    assert numbers(splits.train) == [(number, label) for label in (0, 1) for number in range(3) if number != split - 1]
    assert numbers(splits.test) == [(split - 1, label) for label in (0, 1)]
    assert splits.train.class_names == splits.test.class_names == HMDB51_CLASSES
    assert splits.published
    assert Path(splits.train.path(0)).is_file()


def test_the_lists_may_stand_beside_or_elsewhere(tmp_path):
    make_hmdb51(tmp_path / "root")
    lists = tmp_path / "root/testTrainMulti_7030_splits"
    assert len(hmdb51(root=tmp_path / "root/hmdb51_org", split=1).train) == 4
    lists.rename(tmp_path / "elsewhere")
    assert len(hmdb51(root=tmp_path / "root", split=1, lists=tmp_path / "elsewhere").train) == 4
    with pytest.raises(InputError, match=r"got none there or next to it\. .*data\.lists=DIR"):
        hmdb51(root=tmp_path / "root", split=1)


def test_what_is_wrong_is_told(tmp_path):
    root = make_hmdb51(tmp_path)
    with pytest.raises(InputError, match=r"data\.split to be 1, 2 or 3; got 4"):
        hmdb51(root=root, split=4)
    next((root / "hmdb51_org/wave").glob("*_1.avi")).unlink()
    with pytest.raises(InputError, match=r"\(split 1, train\) on disk; got 1 missing, the first is '.*wave.*_1\.avi'"):
        hmdb51(root=root, split=1)
