"""Files in ActivityNet's form. What is dropped or cut is in a table made by hand; mistakes: tests/unit/data/test_localization_set.py."""

from __future__ import annotations

import json

import pytest

from vclr_pl.data.split.annotation_file import read_annotations
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
        "file.json: 2 segments reach out of their video and are cut, in vid_2",
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
