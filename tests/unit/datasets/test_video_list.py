"""Entries of a list: where they may lead, and whether they are on disk.
Lists: CSV and plain lines, with the names that files really have.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest
from tests.video_fixture import copies, write_lines

from vclr_pl.datasets.video_list import inside_root, list_lines, listed_manifest, present, video_list
from vclr_pl.types import InputError


@pytest.mark.parametrize("entry", ["../secret.mp4", "/etc/passwd", "a/../../data2/x.mp4", "..", "a/../.."])
def test_no_entry_leads_out_of_the_root(entry):
    with pytest.raises(InputError, match=r"data\.allow_outside_root=true"):
        inside_root(entry, root=Path("/data"), source="list.csv", allow_outside_root=False)
    inside_root(entry, root=Path("/data"), source="list.csv", allow_outside_root=True)


@pytest.mark.parametrize(
    ("entry", "expected"), [("a b.mp4", "/data/a b.mp4"), ("/data/x.mp4", "/data/x.mp4"), ("a/../b..mp4", "/data/b..mp4")]
)
def test_entries_inside_the_root(entry, expected):
    assert inside_root(entry, root=Path("/data"), source="list.csv", allow_outside_root=False) == expected


def test_a_reencoded_copy_or_its_frames_stand_for_the_original(tmp_path):
    (tmp_path / "1.mp4").touch()
    (tmp_path / "2").mkdir()
    assert present(str(tmp_path / "1.avi")) == str(tmp_path / "1.mp4")
    assert present(str(tmp_path / "2.avi")) == str(tmp_path / "2")
    assert present(str(tmp_path / "3.avi")) is None


def manifest(entries, root):
    return listed_manifest(entries, root=root, source="trainlist01.txt", allow_outside_root=False, class_names=("a", "b"))


def test_absent_videos_are_counted_and_the_first_is_named(tmp_path):
    (tmp_path / "1.mp4").touch()
    entries = [("1.mp4", 0), ("2.mp4", 1), ("3.mp4", 1)]
    with pytest.raises(
        InputError, match=r"the 3 videos of trainlist01.txt on disk; got 2 missing, the first is '.*/2\.mp4'\. Set data\.root=DIR"
    ):
        manifest(entries, tmp_path)
    assert manifest(entries[:1], tmp_path)[0] == (str(tmp_path / "1.mp4"), {"label": 0})


def test_an_empty_list_is_told(tmp_path):
    with pytest.raises(InputError, match=r"videos in trainlist01\.txt; got an empty list"):
        manifest([], tmp_path)


def test_lines_keep_odd_bytes_and_lose_line_ends(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes(b"\xef\xbb\xbfa b.mp4\r\n\n  \nlatin-\xe9.avi\n last.mp4")
    assert list(list_lines(path)) == ["a b.mp4", os.fsdecode(b"latin-\xe9.avi"), " last.mp4"]


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
    assert contents(unquoted.train, root) == [(NAMES[1], 1), (NAMES[0], 0)]
    assert unquoted.train.class_names == ("0", "7")


def test_the_published_lists_of_frame_folders(tmp_path):
    for name in ("Apply Eye/v_1_g01", "run/v_2"):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        (folder / "img_00001.jpg").touch()
    path = write_lines(tmp_path / "trainlist_rawframes.txt", ["Apply Eye/v_1_g01 120 0", "run/v_2 98 17"])
    splits = video_list(root=tmp_path, train=path)
    assert contents(splits.train, tmp_path) == [("Apply Eye/v_1_g01", 0), ("run/v_2", 1)]
    assert splits.train.class_names == ("0", "17")
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
    with pytest.raises(InputError, match=r"data\.train to be a list of videos; got '.*', which is not a file"):
        video_list(root=root, train=root / "absent.csv")
    with pytest.raises(InputError, match="labels that are all numbers or all names; got 'run' and '3'"):
        video_list(root=root, train=write_lines(root / "list.csv", ["path,label", "a b.mp4,run", "-dash.mp4,3"]))
    with pytest.raises(InputError, match=r"path,label; got 'a b\.mp4'"):
        video_list(root=root, train=write_lines(root / "list.csv", ["path,label", "a b.mp4"]))
    with pytest.raises(InputError, match="got an empty list"):
        video_list(root=root, train=write_lines(root / "list.csv", ["path,label"]))
    with pytest.raises(InputError, match="got an empty list"):
        video_list(root=root, train=write_lines(root / "list.csv", []))


HEADERLESS = {  # what the readers of these projects take: the lines, and by hand what they say
    "pytorchvideo": (["c0/v0.mp4 0", "c1/v 1.mp4 1"], [0, 1]),
    "pytorchvideo, a label missing": (["c0/v0.mp4 0", "c1/v 1.mp4"], [0, -1]),
    "mmaction2": (["c0/v0.mp4 4", "c1/v 1.mp4 5"], [0, 1]),
    "mmaction2, another suffix than on disk": (["c0/v0.avi 4", "c1/v 1 5"], [0, 1]),
    "VideoMAE, two blanks": (["c0/v0.mp4  0", "c1/v 1.mp4  1"], [0, 1]),
    "VideoMAE, commas": (["c0/v0.mp4,0", "c1/v 1.mp4, 1"], [0, 1]),
    "VideoMAE's pretraining": (["c0/v0.mp4 0 -1", "c1/v 1.mp4 0 -1"], [-1, -1]),
    "no label is -1": (["c0/v0.mp4 -1", "c1/v 1.mp4 -1"], [-1, -1]),
    "tabs": (["c0/v0.mp4\tbrush hair", "c1/v 1.mp4\twave"], [0, 1]),
    "names": (["c0/v0.mp4 run", "c1/v 1.mp4 sit"], [0, 1]),
    "quotes of pandas": (["c0/v0.mp4 0", '"c1/v 1.mp4" 1'], [0, 1]),
    "quotes and commas": (["c0/v0.mp4,0", '"c1/v 1.mp4",1'], [0, 1]),
    "header, blanks": (["path label", "c0/v0.mp4 0", "c1/v 1.mp4 1"], [0, 1]),
    "header, tabs": (["Path\tLabel", "c0/v0.mp4\t0", "c1/v 1.mp4\t1"], [0, 1]),
    "comments": (["# made by hand", "c0/v0.mp4 0", "#", "c1/v 1.mp4 1"], [0, 1]),
    "comment before the header": (["# made by hand", "path,label", "c0/v0.mp4,0", "c1/v 1.mp4,1"], [0, 1]),
}


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\n\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("form", HEADERLESS)
def test_forms_of_other_projects(tmp_path, form, encoding, ending):
    copies([tmp_path / "c0/v0.mp4", tmp_path / "c1/v 1.mp4"])
    lines, labels = HEADERLESS[form]
    path = tmp_path / "list.txt"
    path.write_bytes(ending.join([*lines, ""]).encode(encoding))
    found = dict(contents(video_list(root=tmp_path, train=path).train, tmp_path))
    assert found == dict(zip(["c0/v0.mp4", "c1/v 1.mp4"], labels, strict=True))


def test_frame_folders_of_videomae_have_no_labels(tmp_path):
    for name in ("v_1", "v_2"):
        (tmp_path / name).mkdir()
    splits = video_list(root=tmp_path, train=write_lines(tmp_path / "list.csv", ["v_1 1 117", "v_2 0 98"]))
    assert contents(splits.train, tmp_path) == [("v_1", -1), ("v_2", -1)]
    splits = video_list(root=tmp_path, train=write_lines(tmp_path / "list.csv", ["v_1 117 1", "v_2 1 1"]))
    assert contents(splits.train, tmp_path) == [("v_1", 0), ("v_2", 0)]


def test_names_that_look_like_labels_are_names(tmp_path):
    names = ["clip 1", "clip 2", "#1.mp4", "# 2.mp4", "a.mp4 b.mp4"]
    for name in names:
        (tmp_path / name).mkdir()
    splits = video_list(root=tmp_path, train=write_lines(tmp_path / "list.txt", names))
    assert contents(splits.train, tmp_path) == [(name, -1) for name in names]


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["w.mp4 0", "x.mp4 1"], r"got no line that names a video; the first is 'w\.mp4 0'"),
        (["video,class", "w.mp4,0"], r"got no line that names a video; the first is 'video,class'"),
        (["clip 1", "clip 2"], r"unambiguous lines.*; got 'clip 1', which .* both as 'path' and 'path label'\. Insert a first line"),
        (["v.mp4 3 7"], r"one label for each video of list\.txt, whose first line is 'v\.mp4 3 7'; got several numbers after a video"),
        (["v.mp4 3", "v.mp4 3 7"], r"whose first line is 'v\.mp4 3'; got several numbers after a video\. Keep one label per line"),
        (["v.mp4 0", "v.mp4,1"], r"with the same separator in all lines of list\.txt; got 'v\.mp4 0' and 'v\.mp4,1'"),
        (["v.mp4,3,7"], r"got several numbers after a video"),
    ],
)
def test_what_cannot_be_told_apart_is_one_line_with_the_first_of_the_file(tmp_path, lines, told):
    for name in ("clip", "clip 1", "clip 2", "v.mp4"):
        (tmp_path / name).mkdir()
    with pytest.raises(InputError, match=told) as caught:
        video_list(root=tmp_path, train=write_lines(tmp_path / "list.txt", lines))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (
            ["video,label", "a.mp4,0", "b.mp4,1"],
            r"line 1 of list\.txt.*; got 'video,label', which looks like a header\. Replace it by 'path,label'",
        ),
        (["video,label", "a.mp4,run", "b.mp4,sit"], r"got 'video,label', which looks like a header\. Replace it by 'path,label'"),
        (["filename label", "a.mp4 0", "b.mp4 1"], r"got 'filename label', which looks like a header\. Replace it by 'path label'"),
        (["filename\tlabel", "a.mp4\tbrush hair", "b.mp4\tsit"], r"which looks like a header\. Replace it by 'path<tab>label'"),
        (["video", "a.mp4", "b.mp4"], r"got 'video', which looks like a header\. Replace it by 'path'"),
        (["path frames label", "clip 12 3", "clip 13 3"], r"got 'path frames label', which looks like a header\. Delete the line"),
        (["gone.mp4,0", "a.mp4,0"], r"got 1 missing, the first is '.*gone\.mp4'"),
        (["gone,0", "a.mp4,0", "lost,0"], r"got 2 missing, the first is '.*gone'"),
    ],
)
def test_a_header_in_other_words_is_told(tmp_path, lines, told):
    copies([tmp_path / "a.mp4", tmp_path / "b.mp4"])
    (tmp_path / "clip").mkdir()
    path = write_lines(tmp_path / "list.txt", lines)
    with pytest.raises(InputError, match=told):
        video_list(root=tmp_path, train=path)
    if "Write '" in told:  # what it says is tried
        header = told.partition("Write '")[2].partition("'")[0].replace("<tab>", "\t")
        assert len(video_list(root=tmp_path, train=write_lines(path, [header, *lines[1:]])).train) == 2


def test_a_file_that_is_no_list(tmp_path):
    (video,) = copies([tmp_path / "v.mp4"])
    with pytest.raises(InputError, match=r"data\.train to be a list of videos; got '.*v\.mp4', which is not text"):
        video_list(root=tmp_path, train=video)


def test_videos_that_are_listed_twice_are_counted_and_named(tmp_path, caplog):
    copies([tmp_path / "v.mp4", tmp_path / "w.mp4"])
    with caplog.at_level(logging.WARNING):
        splits = video_list(root=tmp_path, train=write_lines(tmp_path / "list.txt", ["v.mp4 0", "w.mp4 1", "v.avi 1"]))
    assert len(splits.train) == 3
    assert [record.getMessage() for record in caplog.records] == [f"list.txt contains 1 videos more than once: {tmp_path / 'v.mp4'}"]


@pytest.mark.parametrize(
    ("labels", "numbers", "names"),
    [
        (["0", "2000000000"], [0, 1], ("0", "2000000000")),
        (["100000000000000000", "3", "007"], [2, 0, 1], ("3", "7", "100000000000000000")),
        (["100000000000000000000000", "3"], [1, 0], ("3", "100000000000000000000000")),
        (["1", "2", "3"], [0, 1, 2], ("1", "2", "3")),
        (["-5", "5", "-1"], [0, 1, -1], ("-5", "5")),
        (["³", "²"], [1, 0], ("²", "³")),
        (["१", "a"], [1, 0], ("a", "१")),
        (["9" * 5000, "b"], [0, 1], ("9" * 5000, "b")),
    ],
)
def test_numbers_are_numbered_anew_and_what_is_no_number_is_a_name(tmp_path, labels, numbers, names):
    paths = copies(tmp_path / f"{place}.mp4" for place in range(len(labels)))
    lines = ["path,label", *(f"{path.name},{label}" for path, label in zip(paths, labels, strict=True))]
    splits = video_list(root=tmp_path, train=write_lines(tmp_path / "list.csv", lines))
    assert splits.train.class_names == names
    assert splits.train.labels.tolist() == numbers
