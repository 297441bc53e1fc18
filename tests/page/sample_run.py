"""The page of a made-up run: curves with known values, and names as hostile as a disk allows."""

from __future__ import annotations

import io
import math
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image
from tests.page.sample_page import HOSTILE

from vclr_pl.report.chart import Point
from vclr_pl.report.run_charts import Expected, chart_groups
from vclr_pl.report.run_figures import alarm_sentences, figures_note, run_figures
from vclr_pl.report.run_page import (
    BrokenRow,
    ChangedOption,
    NextCommand,
    RunDescription,
    RunPage,
    RunState,
    StateWord,
    VideoViews,
    ViewGroup,
)
from vclr_pl.report.run_results import result_rows

DETAIL = "Step 200 of 500, epoch 17 of 42. 2:10 so far, about 3:15 left."
EXPECTED = Expected(
    losses={"inter_frame": (6.65, "log(1 + 768)"), "temporal_order": (math.log(4), "log 4")},
    accuracies={"inter_frame": 3.1, "temporal_order": 25.0},
    start={"knn_top1": 41.0},
    dimensions={"inter": 128},
)


def sample_curves(*, steps: int = 200, collapsed: bool = False) -> dict[str, list[Point]]:
    """Curves that fall and rise smoothly, with some noise."""
    draw = np.random.default_rng(0)

    def curve(start: float, end: float, noise: float) -> list[Point]:
        places = np.linspace(0, 1, steps)
        values = end + (start - end) * np.exp(-4 * places) + noise * draw.normal(size=steps)
        return [(step, float(value)) for step, value in enumerate(values, 1)]

    return {
        "train/loss": curve(14.0, 9.0, 0.2),
        "train/loss_inter_frame": curve(6.6, 4.5, 0.1),
        "train/loss_temporal_order": curve(1.5, 1.0, 0.05),
        "train/inter_frame_positive_similarity": curve(0.9, 0.95 if collapsed else 0.8, 0.01),
        "train/inter_frame_batch_similarity": curve(0.88, 0.94 if collapsed else 0.3, 0.01),
        "train/inter_frame_queue_similarity": curve(0.1, 0.25, 0.01),
        "train/inter_frame_batch_accuracy": curve(6.0, 4.0 if collapsed else 70.0, 2.0),
        "train/temporal_order_accuracy": curve(25.0, 60.0, 4.0),
        "train/lr": curve(0.0, 0.02, 0.0),
        "train/videos_per_second": curve(40.0, 90.0, 3.0),
        "train/data_wait_percent": curve(30.0, 2.0, 0.2),
        "val/knn_top1": [(50, 44.0), (100, 52.0), (150, 58.0)][: steps // 50],
        "rank/inter": curve(20.0, 2.5 if collapsed else 55.0, 0.3)[::20],
    }


def sample_run(
    *, word: StateWord = "running", curves: Mapping[str, list[Point]] | None = None, detail: str = "", **changes: Any
) -> RunPage:
    """A run of three videos with hostile names."""
    drawn = sample_curves() if curves is None else curves
    alarms = changes.pop("alarms", {})
    share = {"starting": 0.0, "ended": 1.0}.get(word, 0.4)
    content: dict[str, Any] = {
        "description": RunDescription(
            title="demo, 2026-11-29_12-00-00",
            folder="runs/demo/2026-11-29_12-00-00",
            command="data.root='my <b>videos</b>' trainer.max_epochs=3",
            options=[ChangedOption(key="trainer.max_epochs", value="3", usual="72", reason="command line")],
            commands=[NextCommand(purpose="Resume after a stop", command="python -m vclr_pl.train resume=runs/demo/2026-11-29_12-00-00")],
        ),
        "state": RunState(word=word, detail=detail or DETAIL, written=time.time(), share=share),
        "figures": run_figures(drawn, expected=EXPECTED, broken=2, waited=12.2),
        "figures_note": figures_note(drawn),
        "alarms": alarm_sentences(drawn, alarms),
        "groups": chart_groups(drawn, expected=EXPECTED, alarms=alarms),
        "views": [_views(name, number) for number, name in enumerate(HOSTILE[:3])],
        "views_note": "What the network receives of each video.",
        "broken": [BrokenRow(name=name, reason="pyav: <i>no frames</i>") for name in HOSTILE[3:]],
        "broken_count": 2,
    }
    return RunPage(**(content | changes))


def ended_run(**changes: Any) -> RunPage:
    """The same run at its end."""
    metrics, baseline = {"retrieval_r1": 62.0, "knn_top1": 66.0, "retrieval_map": 40.0}, {"retrieval_r1": 33.3, "knn_top1": 41.0}
    ending: dict[str, Any] = {
        "results": result_rows(metrics, baseline=baseline, queries=150, intervals={}, chance={"retrieval_r1": 10.0}),
        "results_note": "Percent of 150 queries.",
        "verdict": ("learning", "R@1 62.0, 33.3 at random initialization"),
        "cost": "training took 2:10",
        "advice": "python -m vclr_pl.train resume=runs/demo trainer.max_epochs=84",
    }
    return sample_run(word="ended", detail="Ended after 500 steps.", **(ending | changes))


def _views(name: str, number: int) -> VideoViews:
    def picture(shade: int) -> bytes:
        stream = io.BytesIO()
        Image.new("RGB", (48, 48), (shade, 90 + 40 * number, 150)).save(stream, "WEBP")
        return stream.getvalue()

    def group(title: str, shades: list[int], marked: int) -> ViewGroup:
        captions = [f"segment {place + 1}" for place in range(len(shades))]
        is_marked = [place == marked for place in range(len(shades))]
        return ViewGroup(title=title, pictures=[picture(shade) for shade in shades], captions=captions, marked=is_marked)

    groups = [group("Query tuple", [20, 90, 160], 0), group("Key tuple", [40, 110, 180], -1), group("Anchor again", [20], 0)]
    return VideoViews(name=name, answer="Order label 1: query shuffled", groups=groups)
