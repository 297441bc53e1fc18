"""The newest figures of a run, and its alarms, in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from vclr_pl.report.chart import Point, shown
from vclr_pl.report.retrieval_page import Figure
from vclr_pl.report.run_charts import BATCH, LOSS, POSITIVE, RANK, TRAIN, WITHIN, Curves, Expected, mean_of_last, words
from vclr_pl.report.run_summary import READINGS


def run_figures(curves: Curves, *, expected: Expected, broken: int, waited: float | None = None) -> list[Figure]:
    """The figures at the top of the page, each with what to compare it with; those that are not measured are left out.

    Those of the training are means of the last readings, as in the summary of the run.

    Args:
        waited: percent of the training time in which the network waited for videos; None where only the readings are known.
    """
    found: list[Figure] = []
    if (loss := _recent(curves, LOSS)) is not None:
        level = expected.losses.get("")
        found.append(Figure("loss", shown(loss), "" if level is None else f"random guess {shown(level[0])}"))
    for term in (name.removesuffix(POSITIVE) for name in curves if name.endswith(POSITIVE)):
        positive, others, short = _recent(curves, term + POSITIVE), _recent(curves, term + BATCH), words(term.removeprefix(TRAIN))
        if positive is not None and others is not None:
            found.append(Figure(f"similarity gap, {short}", shown(positive - others), f"{shown(positive)} and {shown(others)}"))
        if (within := _recent(curves, term + WITHIN)) is not None:
            chance = expected.accuracies.get(term.removeprefix(TRAIN))
            compared = "" if chance is None else f"random guess {chance:.0f}%"
            found.append(Figure(f"own video found, {short}", f"{within:.0f}%", compared))
    for name, title, start in (
        ("val/knn_top1", "kNN accuracy", expected.start.get("knn_top1")),
        ("val/copy_top1", "made copies found", expected.start.get("copy_top1")),
        ("val/top1", "test top-1", None),
    ):
        if (value := _last(curves, name)) is not None:
            found.append(Figure(title, f"{value:.1f}%", "" if start is None else f"before training {start:.1f}%"))
    if (top1 := _recent(curves, f"{TRAIN}top1")) is not None:
        found.append(Figure("top-1 in training", f"{top1:.0f}%"))
    for name in (name for name in curves if name.startswith(RANK)):
        queue, rank = name.removeprefix(RANK), _last(curves, name)
        most = expected.dimensions.get(queue)
        found.append(Figure(f"RankMe, {words(queue)}", shown(rank or math.nan), "" if most is None else f"of {most} dimensions"))
    if (speed := _recent(curves, f"{TRAIN}videos_per_second")) is not None:
        found.append(Figure("videos per second", shown(speed)))
    if (waiting := _recent(curves, f"{TRAIN}data_wait_percent")) is not None:
        found.append(
            Figure("waiting for videos", f"{waiting if waited is None else waited:.0f}%", "" if waited is None else "of the training time")
        )
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


def figures_note(curves: Curves) -> str:
    """What the figures of the training are; empty before the first reading."""
    count = min(READINGS, len(curves.get(LOSS, ())))
    if not count:
        return ""
    return f"Loss, similarities, accuracies in training and speed: mean of the last {f'{count} readings' if count > 1 else 'reading'}."


def _recent(curves: Curves, name: str) -> float | None:
    points = curves.get(name)
    return mean_of_last(points) if points else None


def _last(curves: Mapping[str, Sequence[Point]], name: str) -> float | None:
    points = curves.get(name)
    return points[-1][1] if points else None
