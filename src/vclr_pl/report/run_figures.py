"""The newest figures of a run, and its alarms, in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from vclr_pl.report.chart import Point, shown
from vclr_pl.report.retrieval_page import Figure
from vclr_pl.report.run_charts import BATCH, LOSS, POSITIVE, RANK, TRAIN, WITHIN, Curves, Expected, words


def run_figures(curves: Curves, *, expected: Expected, broken: int) -> list[Figure]:
    """The figures at the top of the page, each with what to compare it with; those that are not measured are left out."""
    found: list[Figure] = []
    if (loss := _last(curves, LOSS)) is not None:
        level = expected.losses.get("")
        found.append(Figure("loss", shown(loss), "" if level is None else f"random guess {shown(level[0])}"))
    for term in (name.removesuffix(POSITIVE) for name in curves if name.endswith(POSITIVE)):
        positive, others, short = _last(curves, term + POSITIVE), _last(curves, term + BATCH), words(term.removeprefix(TRAIN))
        if positive is not None and others is not None:
            found.append(Figure(f"similarity gap, {short}", shown(positive - others), f"{shown(positive)} and {shown(others)}"))
        if (within := _last(curves, term + WITHIN)) is not None:
            chance = expected.accuracies.get(term.removeprefix(TRAIN))
            compared = "" if chance is None else f"random guess {chance:.0f}%"
            found.append(Figure(f"own video found, {short}", f"{within:.0f}%", compared))
    for name, title, start in (("val/knn_top1", "kNN accuracy", expected.start.get("knn_top1")), ("val/top1", "test top-1", None)):
        if (value := _last(curves, name)) is not None:
            found.append(Figure(title, f"{value:.1f}%", "" if start is None else f"before training {start:.1f}%"))
    if (top1 := _last(curves, f"{TRAIN}top1")) is not None:
        found.append(Figure("top-1 in training", f"{top1:.0f}%"))
    for name in (name for name in curves if name.startswith(RANK)):
        queue, rank = name.removeprefix(RANK), _last(curves, name)
        most = expected.dimensions.get(queue)
        found.append(Figure(f"RankMe, {words(queue)}", shown(rank or math.nan), "" if most is None else f"of {most} dimensions"))
    if (speed := _last(curves, f"{TRAIN}videos_per_second")) is not None:
        waiting = _last(curves, f"{TRAIN}data_wait_percent")
        found.append(Figure("videos per second", shown(speed), "" if waiting is None else f"{waiting:.0f}% of the time waiting"))
    if broken:
        found.append(Figure("broken videos", f"{broken:,}"))
    return found


def alarm_sentences(curves: Curves, alarms: Mapping[str, Sequence[tuple[int, int]]]) -> list[str]:
    """One sentence for each term that collapsed or has, and one for a loss that is not finite."""
    last = max((points[-1][0] for name, points in curves.items() if name == LOSS and points), default=0)
    sentences = []
    for term, stretches in alarms.items():
        start, end = stretches[-1]
        when = f"since step {start:,}" if end >= last else f"from step {start:,} to {end:,}; it has ended"
        sentences.append(
            f"{words(term)}: positives are no more similar than other videos of the batch, {when}. "
            "Features collapse: lower optimizer.lr, or shorten the queues."
        )
    if (broken := first_broken(curves)) is not None:
        sentences.append(f"{broken[0]} is {shown(broken[1])} at step {broken[2]:,}. Lower the rate, or set trainer.precision=32-true.")
    return sentences


def first_broken(curves: Curves) -> tuple[str, float, int] | None:
    """The first loss that is not finite: its name, its value and its step."""
    found = [
        (step, name.removeprefix(TRAIN), value)
        for name, points in curves.items()
        if name.startswith(LOSS)
        for step, value in points
        if not math.isfinite(value)
    ]
    step, name, value = min(found, key=lambda one: one[:2], default=(0, "", math.nan))
    return (name, value, step) if found else None


def _last(curves: Mapping[str, Sequence[Point]], name: str) -> float | None:
    points = curves.get(name)
    return points[-1][1] if points else None
