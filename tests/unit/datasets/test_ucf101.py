"""UCF101's layout in miniature, in XVID."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.video_fixture import UCF101_CLASSES, make_ucf101

from vclr_pl.datasets.ucf101 import ucf101
from vclr_pl.types import InputError


@pytest.fixture
def root(tmp_path):
    return make_ucf101(tmp_path / "root with blank")


def names(manifest):
    return [(Path(manifest.path(index)).name, manifest.label(index)) for index in range(len(manifest))]


@pytest.mark.parametrize("split", [1, 2, 3])
def test_official_splits(root, split):
    splits = ucf101(root=root, split=split)
    test = [(f"v_{name}_g0{split}_c01.avi", number) for number, name in enumerate(UCF101_CLASSES)]
    train = [
        (f"v_{name}_g0{group}_c01.avi", number) for number, name in enumerate(UCF101_CLASSES) for group in range(1, 5) if group != split
    ]
    assert names(splits.train) == train
    assert names(splits.test) == test
    assert splits.train.class_names == splits.test.class_names == UCF101_CLASSES
    assert splits.published
    assert splits.train.labeled
    assert Path(splits.train.path(0)).is_file()


def test_lists_beside_inside_or_given(root, tmp_path):
    expected = names(ucf101(root=root, split=1).train)
    assert names(ucf101(root=root / "UCF-101", split=1).train) == expected
    (root / "ucfTrainTestlist").rename(tmp_path / "elsewhere")
    assert names(ucf101(root=root, split=1, lists=tmp_path / "elsewhere").train) == expected
    with pytest.raises(InputError, match=r"no classInd.txt there or next to it\. .*data\.lists=DIR"):
        ucf101(root=root, split=1)


def test_what_is_wrong_is_told(root):
    with pytest.raises(InputError, match=r"trainlist04\.txt'; got no such file\. Set data\.split"):
        ucf101(root=root, split=4)
    lists = root / "ucfTrainTestlist"
    (root / "UCF-101" / "YoYo" / "v_YoYo_g02_c01.avi").unlink()
    with pytest.raises(InputError, match=r"got 1 missing, the first is '.*v_YoYo_g02_c01\.avi'"):
        ucf101(root=root, split=1)
    (lists / "trainlist01.txt").write_text("Fencing/v_Fencing_g01_c01.avi 4\n")
    with pytest.raises(InputError, match=r"'Fencing/v_Fencing_g01_c01\.avi' of class 'Fencing'"):
        ucf101(root=root, split=1)
    (lists / "trainlist01.txt").write_text("../YoYo/v_YoYo_g01_c01.avi 3\n")
    with pytest.raises(InputError, match=r"data\.allow_outside_root=true"):
        ucf101(root=root, split=1)
    for line in ("YoYo", "² YoYo"):
        (lists / "classInd.txt").write_text(f"{line}\n", encoding="utf-8")
        with pytest.raises(InputError, match="lines '<number> <class>'"):
            ucf101(root=root, split=1)
