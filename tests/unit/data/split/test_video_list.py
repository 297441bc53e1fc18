"""Lists: CSV and plain lines, with the names that files really have."""

from __future__ import annotations

import pytest
from tests.video_fixture import copies, write_lines

from vclr_pl.data.split.video_list import video_list
from vclr_pl.types import InputError

NAMES = ["a b.mp4", "comma, dot.v2.mp4", "ünïcode/日本.mp4", "-dash.mp4", 'quo"te.mp4']


@pytest.fixture
def root(tmp_path):
    copies(tmp_path / name for name in NAMES)
    return tmp_path


def contents(manifest, root):
    return [(manifest.path(index).removeprefix(f"{root}/"), manifest.label(index)) for index in range(len(manifest))]


def test_plain_lines(root):
    splits = video_list(root=root, train=write_lines(root / "list.txt", NAMES))
    assert contents(splits.train, root) == [(name, -1) for name in NAMES]
    assert splits.test is None


def test_csv_with_quotes_and_without(root):
    lines = ["path,label", "a b.mp4,run", '"comma, dot.v2.mp4",sit', "ünïcode/日本.mp4, run", "-dash.mp4,"]
    splits = video_list(root=root, train=write_lines(root / "list.csv", lines))
    assert contents(splits.train, root) == [(NAMES[0], 0), (NAMES[1], 1), (NAMES[2], 0), (NAMES[3], -1)]
    assert splits.train.class_names == ("run", "sit")
    unquoted = video_list(root=root, train=write_lines(root / "list.csv", ["Path,Label", "comma, dot.v2.mp4,7", "a b.mp4,0"]))
    assert contents(unquoted.train, root) == [(NAMES[1], 7), (NAMES[0], 0)]
    assert unquoted.train.class_names == ()


def test_the_published_lists_of_frame_folders(tmp_path):
    for name in ("Apply Eye/v_1_g01", "run/v_2"):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        (folder / "img_00001.jpg").touch()
    path = write_lines(tmp_path / "trainlist_rawframes.txt", ["Apply Eye/v_1_g01 120 0", "run/v_2 98 17"])
    splits = video_list(root=tmp_path, train=path)
    assert contents(splits.train, tmp_path) == [("Apply Eye/v_1_g01", 0), ("run/v_2", 17)]
    with pytest.raises(InputError, match=r"'path frames label' in every line of .*; got 'run/v_2 17'"):
        video_list(root=tmp_path, train=write_lines(path, ["Apply Eye/v_1_g01 120 0", "run/v_2 17"]))


def test_a_test_list_shares_the_class_numbers(root, tmp_path_factory):
    lists = tmp_path_factory.mktemp("lists")
    train = write_lines(lists / "train.csv", ["path,label", "a b.mp4,run"])
    test = write_lines(lists / "test.csv", ["path,label", "-dash.mp4,jump"])
    splits = video_list(root=root, train=train, test=test)
    assert (splits.train.labels.tolist(), splits.test.labels.tolist()) == ([1], [0])
    assert splits.train.class_names == splits.test.class_names == ("jump", "run")


def test_no_file_outside_the_root(root, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    (video,) = copies([outside / "x.mp4"])
    path = write_lines(root / "list.txt", [str(video)])
    with pytest.raises(InputError, match=r"list\.txt to name videos inside .*; got '.*x\.mp4'\. .*data\.allow_outside_root=true"):
        video_list(root=root, train=path)
    assert video_list(root=root, train=path, allow_outside_root=True).train.path(0) == str(video)


def test_what_is_wrong_is_told(root):
    with pytest.raises(InputError, match=r"data\.train to be a list of videos; got '.*', which is no file"):
        video_list(root=root, train=root / "absent.csv")
    with pytest.raises(InputError, match="labels that are all numbers or all names; got 'run' and '3'"):
        video_list(root=root, train=write_lines(root / "list.csv", ["path,label", "a b.mp4,run", "-dash.mp4,3"]))
    with pytest.raises(InputError, match=r"path,label; got 'a b\.mp4'"):
        video_list(root=root, train=write_lines(root / "list.csv", ["path,label", "a b.mp4"]))
    with pytest.raises(InputError, match="got an empty list"):
        video_list(root=root, train=write_lines(root / "list.csv", ["path,label"]))
    with pytest.raises(InputError, match="got an empty list"):
        video_list(root=root, train=write_lines(root / "list.csv", []))
