"""ActivityNet 1.3's layout in miniature: untrimmed videos, and the segments that are annotated in them."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from tests.video_fixture import make_activitynet

from vclr_pl.data.split.activitynet import AnnotatedSegment, activitynet, read_database
from vclr_pl.types import InputError


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


def test_the_database_keeps_seconds(tmp_path):
    first, *_, last = read_database(make_activitynet(tmp_path) / "activity_net.v1-3.min.json")
    assert (first.identity, first.subset, first.duration_seconds) == ("--aa_1", "training", 12.0)
    assert first.segments[1] == AnnotatedSegment(label="Archery", start_seconds=6.0, end_seconds=13.0)
    assert (last.subset, last.segments) == ("testing", ())


def test_what_is_wrong_is_told(tmp_path):
    root = make_activitynet(tmp_path / "root")
    database = root / "activity_net.v1-3.min.json"
    (root / "v1-3/train_val/v_dd4.mp4").unlink()
    with pytest.raises(InputError, match=r"of the subset 'validation' .*; got none of them"):
        activitynet(root=root, trim=False)
    text = database.read_text()
    database.write_text(text.replace('"bb2"', '"../../bb2"'))
    with pytest.raises(InputError, match=r"data\.allow_outside_root=true"):
        activitynet(root=root, trim=False)
    database.write_text("{}")
    with pytest.raises(InputError, match=r"which is none \(KeyError: 'database'\)"):
        activitynet(root=root, trim=False)
    database.rename(tmp_path / "elsewhere.json")
    with pytest.raises(InputError, match=r"v1-3\.min\.json'; got no such file\. Set data\.database=FILE"):
        activitynet(root=root, trim=False)
    (tmp_path / "elsewhere.json").write_text(text)
    with pytest.raises(InputError, match="validation"):
        activitynet(root=root, trim=False, database=tmp_path / "elsewhere.json")
