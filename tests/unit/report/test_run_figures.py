from __future__ import annotations

import math

from vclr_pl.report.run_charts import Expected
from vclr_pl.report.run_figures import alarm_sentences, figures_note, run_figures

CURVES = {
    "train/loss": [(1, 90.0), (4, 6.5), (8, 7.0), (12, 7.5), (16, 8.0), (20, 8.5)],
    "train/inter_frame_positive_similarity": [(20, 0.9)],
    "train/inter_frame_batch_similarity": [(20, 0.4)],
    "train/inter_frame_batch_accuracy": [(20, 62.4)],
    "train/videos_per_second": [(20, 88.0)],
    "train/data_wait_percent": [(20, 12.2)],
    "val/knn_top1": [(10, 44.0)],
    "rank/inter": [(20, 31.5)],
}
EXPECTED = Expected(accuracies={"inter_frame": 6.25}, start={"knn_top1": 41.0}, dimensions={"inter": 128})


def test_each_figure_has_what_to_compare_it_with():
    figures = run_figures(CURVES, expected=EXPECTED, broken=3, waited=8.4)
    assert [(figure.name, figure.value, figure.interval) for figure in figures] == [
        ("loss", "7.5", ""),
        ("similarity gap, inter frame", "0.5", "0.9 and 0.4"),
        ("own video found, inter frame", "62%", "random guess 6%"),
        ("kNN accuracy", "44.0%", "before training 41.0%"),
        ("RankMe, inter", "31.5", "of 128 dimensions"),
        ("videos per second", "88", ""),
        ("waiting for videos", "8%", "of the training time"),
        ("broken videos", "3", ""),
    ]


def test_figures_of_the_training_are_means_of_the_last_readings():
    assert figures_note(CURVES).endswith("mean of the last 5 readings.")
    assert figures_note({"train/loss": [(1, 9.0)]}).endswith("mean of the last reading.")
    assert figures_note({}) == ""
    waiting = run_figures({"train/data_wait_percent": [(1, 10.0), (2, 20.0)]}, expected=EXPECTED, broken=0)
    assert [(figure.name, figure.value, figure.interval) for figure in waiting] == [("waiting for videos", "15%", "")]


def test_a_run_without_readings_has_none():
    assert run_figures({}, expected=Expected(), broken=0) == []
    assert alarm_sentences({}, {}) == []


def test_an_alarm_that_lasts_and_one_that_has_ended_are_told_apart():
    lasting, ended = (alarm_sentences(CURVES, {"inter_frame": [stretch]})[0] for stretch in ((15, 20), (5, 10)))
    assert lasting.startswith("inter frame: positives are no more similar than other videos of the batch, since step 15.")
    assert "from step 5 to 10; it has ended." in ended


def test_the_first_loss_that_is_no_number_is_an_alarm():
    curves = {"train/loss": [(1, 2.0), (5, math.inf)], "train/loss_inter_frame": [(1, 2.0), (4, math.nan), (5, math.nan)]}
    assert alarm_sentences(curves, {})[0].startswith("loss_inter_frame is not a number at step 4.")
