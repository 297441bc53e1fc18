from __future__ import annotations

import pytest

from vclr_pl.report.run_charts import Expected, chart_groups

POINTS = [(1, 1.0), (2, 2.0)]
PRETRAINING = [
    "train/loss",
    "train/loss_inter_frame",
    "train/inter_frame_positive_similarity",
    "train/inter_frame_batch_similarity",
    "train/inter_frame_queue_similarity",
    "train/inter_frame_accuracy",
    "train/inter_frame_batch_accuracy",
    "train/temporal_order_accuracy",
    "train/lr",
    "train/videos_per_second",
    "train/data_wait_percent",
    "val/knn_top1",
    "rank/inter",
]
EXPECTED = Expected(
    losses={"inter_frame": (3.9, "log(1 + 48)")},
    accuracies={"inter_frame": 25.0},
    start={"knn_top1": 41.0},
    dimensions={"inter": 128},
)


def groups_of(*names, alarms=None):
    found = chart_groups(dict.fromkeys(names, POINTS), expected=EXPECTED, alarms=alarms or {})
    return {group.title: {chart.title: chart for chart in group.charts} for group in found}


def test_every_metric_of_pretraining_has_its_chart():
    groups = groups_of(*PRETRAINING, alarms={"inter_frame": [(2, 2)]})
    assert {title: list(charts) for title, charts in groups.items()} == {
        "Losses": ["total loss", "inter frame"],
        "Similarities": ["inter frame"],
        "Accuracy in training": ["inter frame: own video found", "temporal order: right answers"],
        "Evaluation during training": ["kNN accuracy", "RankMe, inter queue (of 128)"],
        "Rate and speed": ["learning rate", "videos per second", "waiting for videos"],
    }
    similarity = groups["Similarities"]["inter frame"]
    assert [curve.name for curve in similarity.curves] == ["positives", "other videos of the batch", "keys in the queue"]
    assert similarity.alarms == ((2, 2),)


@pytest.mark.parametrize(
    ("group", "title", "name", "value"),
    [
        ("Losses", "inter frame", "random guess: log(1 + 48)", 3.9),
        ("Accuracy in training", "inter frame: own video found", "random guess: 25%", 25.0),
        ("Evaluation during training", "kNN accuracy", "random initialization: 41.0%", 41.0),
        ("Evaluation during training", "RankMe, inter queue (of 128)", "collapsed: below 2", 2.0),
    ],
)
def test_the_expected_levels_are_beside_the_curves(group, title, name, value):
    assert [(level.name, level.value) for level in groups_of(*PRETRAINING)[group][title].levels] == [(name, value)]


@pytest.mark.parametrize(
    ("group", "title", "name", "good", "bad", "note"),
    [
        ("Losses", "inter frame", "train/loss_inter_frame", 3.8, 4.0, "above a random guess"),
        ("Accuracy in training", "inter frame: own video found", "train/inter_frame_batch_accuracy", 26.0, 24.0, "below a random guess"),
        ("Evaluation during training", "kNN accuracy", "val/knn_top1", 42.0, 40.0, "below the random initialization"),
    ],
)
def test_the_wrong_side_of_a_level_is_noted(group, title, name, good, bad, note):
    for value, expected in ((good, ""), (bad, note)):
        found = chart_groups({name: [(1, 25.0), (2, value)] if "val" in name else [(2, value)]}, expected=EXPECTED, alarms={})
        charts = {chart.title: chart for one in found if one.title == group for chart in one.charts}
        assert charts[title].note == expected


def test_a_chart_of_similarities_says_their_gap():
    curves = {"train/inter_frame_positive_similarity": [(1, 0.5), (2, 0.9)], "train/inter_frame_batch_similarity": [(1, 0.5), (2, 0.4)]}
    assert chart_groups(curves, expected=EXPECTED, alarms={})[0].charts[0].summary == "gap 0.25"


def test_recognition_has_its_charts():
    groups = groups_of("train/loss", "train/top1", "train/lr", "val/top1")
    assert {title: list(charts) for title, charts in groups.items()} == {
        "Losses": ["total loss"],
        "Accuracy in training": ["top-1 on training videos"],
        "Evaluation during training": ["top-1 on test videos"],
        "Rate and speed": ["learning rate"],
    }


def test_without_curves_there_is_no_group():
    assert groups_of() == {}
