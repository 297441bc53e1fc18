"""Files in ActivityNet's form. What is dropped or cut is in a table made by hand; mistakes: tests/unit/localization/test_splits.py.
ActivityNet 1.3's layout in miniature: untrimmed videos, and the segments that are annotated in them.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from tests.video_fixture import make_activitynet, write_video

from vclr_pl.datasets.activitynet import activitynet, read_annotations
from vclr_pl.datasets.untrimmed import localization_set
from vclr_pl.types import InputError


def read(tmp_path, durations, segments, *, seconds_of=lambda identity: None):
    """One training video for each duration (absent for None) and list of segments."""
    database = {
        f"vid_{number}": {
            "subset": "training",
            **({} if duration is None else {"duration": duration}),
            "annotations": [{"label": "b", "segment": segment} for segment in listed],
        }
        for number, (duration, listed) in enumerate(zip(durations, segments, strict=True))
    }
    path = tmp_path / "file.json"
    path.write_text(json.dumps({"database": database, "version": "VERSION 1.3"}))
    return read_annotations(path, option="data.database", seconds_of=seconds_of)


def spans(file):
    return [[(segment.start_seconds, segment.end_seconds) for segment in video.segments] for video in file.videos]


def test_empty_and_overhanging_segments_are_dropped_or_cut_counted_and_named(tmp_path, caplog):
    given = [
        [[3.0, 12.0], [0, 0]],
        [[3.0, 12.0], [0.01, 0.02], [12.0, 3.0]],
        [[-0.5, 30.5], [20, 99]],
        [[30.0, 40.0], [1, 2], [-5, -1], [2, 3]],
        [],
    ]
    file = read(tmp_path, [30.0] * 5, given)
    assert spans(file) == [[(3, 12)], [(3, 12), (0.01, 0.02)], [(0, 30), (20, 30)], [(1, 2), (2, 3)], []]
    assert [record.getMessage() for record in caplog.records] == [
        "file.json: 2 segments are empty and dropped, in vid_0, vid_1",
        "file.json: 2 segments exceed their video and are cut, in vid_2",
        "file.json: 2 segments are outside their video and dropped, in vid_3",
    ]
    assert [video.labels for video in file.videos] == [("b",) * len(listed) for listed in given]


def test_durations_that_are_missing_or_zero_are_asked_for(tmp_path, caplog):
    asked = {"vid_0": 4.0, "vid_1": 5.0}
    file = read(tmp_path, [None, 0, 30.0, 0], [[[1, 9]]] * 4, seconds_of=asked.get)
    assert [(video.identity, video.duration_seconds) for video in file.videos] == [("vid_0", 4.0), ("vid_1", 5.0), ("vid_2", 30.0)]
    assert spans(file) == [[(1, 4)], [(1, 5)], [(1, 9)]]
    assert file.identities == ("vid_0", "vid_1", "vid_2", "vid_3")
    assert "1 videos have no duration, in the file or on disk, and are left out: vid_3" in caplog.text


def test_segments_in_frames_are_a_mistake(tmp_path):
    told = r"inside their videos, in seconds; got 3 of 4 outside, in vid_0, vid_1\. Correct the segments or the durations"
    with pytest.raises(InputError, match=told):
        read(tmp_path, [10.0, 12.0], [[[50, 100], [120, 240]], [[60, 90], [3, 4]]])


def test_a_file_with_a_mark_of_its_encoding(tmp_path):
    read(tmp_path, [3], [[]])
    path = tmp_path / "file.json"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(read_annotations(path, option="data.database", seconds_of=lambda identity: None).videos) == 1


def contents(manifest):
    return [(Path(manifest.path(index)).name, manifest.label(index), manifest.span(index)) for index in range(len(manifest))]


def test_untrimmed_videos(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        splits = activitynet(root=make_activitynet(tmp_path), trim=False)
    assert contents(splits.train) == [("v_--aa_1.mp4", 1, (0.0, 1.0)), ("v_bb2.mkv", 0, (0.0, 1.0))]
    assert contents(splits.test) == [("v_dd4.mp4", 1, (0.0, 1.0))]
    assert splits.train.class_names == splits.test.class_names == ("Archery", "Zumba")
    assert splits.published
    assert splits.absent == 1
    assert "1 videos are not below" in caplog.text


def test_annotated_segments(tmp_path):
    """The second segment of the first video ends after the video does, as some of the published ones."""
    splits = activitynet(root=make_activitynet(tmp_path), trim=True)
    assert contents(splits.train) == [
        ("v_--aa_1.mp4", 1, (0.0, 0.5)),
        ("v_--aa_1.mp4", 0, (0.5, 1.0)),
        ("v_bb2.mkv", 0, (0.25, 0.75)),
    ]
    assert contents(splits.test) == [("v_dd4.mp4", 1, (0.5, 1.0))]


def write(root, database):
    (root / "activity_net.v1-3.min.json").write_text(json.dumps({"database": database}))
    return root


def test_both_readers_agree_on_empty_segments_and_durations_of_zero(tmp_path, caplog):
    """As in ActivityNet's own file, activitynet#56."""
    root = tmp_path / "root"
    for number in range(3):
        write_video(root / f"v_vid_{number}.mp4", frames=30, rate=10)
    listed = [{"label": "b", "segment": [0.75, 1.5]}, {"label": "b", "segment": [0, 0]}, {"label": "a", "segment": [1.5, 4]}]
    entries = {f"vid_{number}": {"subset": "training", "duration": 3.0, "annotations": listed} for number in range(2)}
    entries["vid_1"]["duration"] = 0
    entries["vid_2"] = {"subset": "validation", "annotations": [{"label": "a", "segment": [0.6, 0.9]}]}
    splits = activitynet(root=write(root, entries), trim=True)
    assert contents(splits.train) == [(f"v_vid_{number}.mp4", *rest) for number in (0, 1) for rest in ((1, (0.25, 0.5)), (0, (0.5, 1.0)))]
    assert [(name, label, pytest.approx(span)) for name, label, span in contents(splits.test)] == [("v_vid_2.mp4", 0, (0.2, 0.3))]
    assert "2 segments are empty and dropped, in vid_0, vid_1" in caplog.text
    assert "2 segments exceed their video and are cut, in vid_0, vid_1" in caplog.text
    other = localization_set(annotations=str(root / "activity_net.v1-3.min.json"), root=str(root))
    found = [(segment.label, segment.start_seconds / 3, segment.end_seconds / 3) for video in other.videos for segment in video.segments]
    expected = [(("a", "b")[label], *span) for manifest in (splits.train, splits.test) for _, label, span in contents(manifest)]
    assert found == [(label, pytest.approx(start), pytest.approx(end)) for label, start, end in expected]


def test_a_whole_video_whose_segments_are_empty_keeps_its_label(tmp_path):
    root = tmp_path / "root"
    for name in ("x", "y"):
        write_video(root / f"{name}.mp4")
    empty = [{"label": "b", "segment": [0, 0]}]
    splits = activitynet(
        root=write(root, {"x": {"subset": "training", "annotations": empty}, "y": {"subset": "validation", "annotations": empty}}),
        trim=False,
    )
    assert contents(splits.train) == [("x.mp4", 0, (0.0, 1.0))]
    with pytest.raises(InputError, match=r"annotated segments; got none in 1 videos\. Set data\.trim=false"):
        activitynet(root=root, trim=True)


def test_two_files_of_one_name_are_refused(tmp_path):
    root = make_activitynet(tmp_path)
    write_video(root / "more/--aa_1.mkv", frames=5)
    with pytest.raises(
        InputError, match=r"got 1 videos with several, for instance '--aa_1': more/--aa_1\.mkv, v1-3/train_val/v_--aa_1\.mp4"
    ):
        activitynet(root=root, trim=False)


def test_what_is_wrong_is_told(tmp_path):
    root = make_activitynet(tmp_path / "root")
    database = root / "activity_net.v1-3.min.json"
    (root / "v1-3/train_val/v_dd4.mp4").unlink()
    with pytest.raises(InputError, match=r"of the subset 'validation' .*; got none of them"):
        activitynet(root=root, trim=False)
    text = database.read_text()
    database.write_text(text.replace('"bb2"', '"../../bb2"'))
    with pytest.raises(InputError, match="an identity that is a valid file name"):
        activitynet(root=root, trim=False)
    database.write_text("{}")
    with pytest.raises(InputError, match=r"\(no object 'database' with videos in it\)\. .*set data\.database=FILE"):
        activitynet(root=root, trim=False)
    database.rename(tmp_path / "elsewhere.json")
    with pytest.raises(InputError, match=r"v1-3\.min\.json'; got no such file\. Set data\.database=FILE"):
        activitynet(root=root, trim=False)
    (tmp_path / "elsewhere.json").write_text(text)
    with pytest.raises(InputError, match="validation"):
        activitynet(root=root, trim=False, database=tmp_path / "elsewhere.json")
