"""Which curves of a run are drawn together, in which order, beside which expected levels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vclr_pl.report.chart import Chart, Curve, Level, Point, shown
from vclr_pl.report.record import RANDOM_INITIALIZATION
from vclr_pl.report.run_summary import READINGS

LOSS, RANK = "train/loss", "rank/"
POSITIVE, BATCH, QUEUE, WITHIN = "_positive_similarity", "_batch_similarity", "_queue_similarity", "_batch_accuracy"
TRAIN, TESTED = "train/", "val/"


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What a run compares its curves with.

    Args:
        losses: of a random guess, by term, each with its formula in words.
        accuracies: of a random guess, percent, by term.
        start: metrics before training, percent, as `knn_top1`.
        start_name: the start in words.
        dimensions: of the keys in each queue, at most which RankMe can be.
        collapsed_rank: RankMe below which the keys count as collapsed.
    """

    losses: Mapping[str, tuple[float, str]] = field(default_factory=dict)
    accuracies: Mapping[str, float] = field(default_factory=dict)
    start: Mapping[str, float] = field(default_factory=dict)
    start_name: str = RANDOM_INITIALIZATION
    dimensions: Mapping[str, int] = field(default_factory=dict)
    collapsed_rank: float = 2.0


@dataclass(frozen=True, kw_only=True)
class ChartGroup:
    """Charts under one heading, with a sentence on how to read them."""

    title: str
    hint: str
    charts: Sequence[Chart]


Curves = Mapping[str, Sequence[Point]]


def chart_groups(curves: Curves, *, expected: Expected, alarms: Mapping[str, Sequence[tuple[int, int]]]) -> list[ChartGroup]:
    """The groups that have curves.

    Args:
        curves: points by the name of the metric, as in metrics.csv; RankMe of the queue NAME as `rank/NAME`.
        alarms: by term, stretches of steps in which its positives were no more similar than other videos.
    """
    groups = [
        ChartGroup(title="Losses", hint=_loss_hint(expected), charts=_losses(curves, expected)),
        ChartGroup(
            title="Similarities",
            hint="Cosine similarity of a query to its positives and to the other videos of the batch. A gap between the two shows "
            "learning; if it closes, features collapse. A shaded stretch is an alarm.",
            charts=_similarities(curves, alarms),
        ),
        ChartGroup(
            title="Accuracy in training",
            hint="How often the right answer has the highest score, on the videos of the batch.",
            charts=_accuracies(curves, expected),
        ),
        ChartGroup(
            title="Evaluation during training",
            hint="Accuracies use labels, which training does not see in pretraining. Made copies and RankMe, the number of dimensions in "
            "use, need none.",
            charts=[*_tested(curves, expected), *_ranks(curves, expected)],
        ),
        ChartGroup(
            title="Rate and speed",
            hint="A share of waiting well above 0 means that the network waits for videos: add workers, or re-encode the videos.",
            charts=_speed(curves),
        ),
    ]
    return [group for group in groups if group.charts]


def _loss_hint(expected: Expected) -> str:
    rising = " While a queue fills, the loss of its term rises toward the dashed line; that is normal." if expected.losses else ""
    return f"Lower is better. The dashed line is the loss of a random guess.{rising}" if expected.losses else "Lower is better."


def _losses(curves: Curves, expected: Expected) -> list[Chart]:
    names = sorted((name for name in curves if name.startswith(LOSS)), key=lambda name: name != LOSS)
    charts = []
    for name in names:
        term = name.removeprefix(LOSS).lstrip("_")
        levels, note = [], ""
        if term in expected.losses:
            value, formula = expected.losses[term]
            levels = [Level(name=f"random guess: {formula}", value=value)]
            note = "above a random guess" if mean_of_last(curves[name]) > value else ""
        charts.append(Chart(title=words(term) if term else "total loss", curves=[_curve("loss", curves[name])], levels=levels, note=note))
    return charts


def _similarities(curves: Curves, alarms: Mapping[str, Sequence[tuple[int, int]]]) -> list[Chart]:
    charts = []
    for name in (name for name in curves if name.endswith(POSITIVE)):
        term = name.removesuffix(POSITIVE)
        drawn = [_curve("positives", curves[name])]
        drawn += [_curve("other videos of the batch", curves[term + BATCH])] if term + BATCH in curves else []
        drawn += [_curve("keys in the queue", curves[term + QUEUE], is_context=True)] if term + QUEUE in curves else []
        short = term.removeprefix(TRAIN)
        gap = f"gap {shown(mean_of_last(curves[name]) - mean_of_last(curves[term + BATCH]))}" if term + BATCH in curves else ""
        charts.append(Chart(title=words(short), curves=drawn, alarms=tuple(alarms.get(short, ())), summary=gap))
    return charts


def _accuracies(curves: Curves, expected: Expected) -> list[Chart]:
    charts = []
    if f"{TRAIN}top1" in curves:
        charts.append(_percent("top-1 on training videos", curves[f"{TRAIN}top1"], []))
    for name in (name for name in curves if name.startswith(TRAIN) and name.endswith("_accuracy")):
        within = name.endswith(WITHIN)
        term = name.removeprefix(TRAIN).removesuffix(WITHIN if within else "_accuracy")
        if not within and f"{TRAIN}{term}{WITHIN}" in curves:
            continue  # top-1 against the queue says less than that within the batch
        chance = expected.accuracies.get(term)
        levels = [] if chance is None else [Level(name=f"random guess: {chance:.0f}%", value=chance)]
        title = f"{words(term)}: own video found" if within else f"{words(term)}: right answers"
        charts.append(_percent(title, curves[name], levels, compared="a random guess"))
    return charts


FEATURE_RANK = f"{TESTED}rank_me"
TITLES = {
    "knn_top1": "kNN accuracy",
    "knn_train_top1": "kNN accuracy, training videos",
    "copy_top1": "made copies found",
    "r1": "R@1",
    "top1": "top-1 on test videos",
}


def _tested(curves: Curves, expected: Expected) -> list[Chart]:
    charts = []
    for name in (name for name in curves if name.startswith(TESTED) and name != FEATURE_RANK):
        metric = name.removeprefix(TESTED)
        start = expected.start.get(metric)
        levels = [] if start is None else [Level(name=f"{expected.start_name}: {start:.1f}%", value=start)]
        charts.append(
            _percent(
                TITLES.get(metric, words(metric)),
                curves[name],
                levels,
                compared=f"the {expected.start_name}",
                single=True,
            )
        )
    return charts


def _ranks(curves: Curves, expected: Expected) -> list[Chart]:
    features = curves.get(FEATURE_RANK)
    start = expected.start.get("rank_me")
    levels = [] if start is None else [Level(name=f"{expected.start_name}: {start:.1f}", value=start)]
    of_features = [Chart(title="RankMe, features", curves=[_curve("RankMe", features)], levels=levels, from_zero=True)] if features else []
    return [*of_features, *_ranks_of_queues(curves, expected)]


def _ranks_of_queues(curves: Curves, expected: Expected) -> list[Chart]:
    names = [name for name in curves if name.startswith(RANK)]
    level = Level(name=f"collapsed: below {expected.collapsed_rank:g}", value=expected.collapsed_rank)
    return [
        Chart(
            title=f"RankMe, {words(queue)} queue" + (f" (of {expected.dimensions[queue]})" if queue in expected.dimensions else ""),
            curves=[_curve("RankMe", curves[name])],
            levels=[level],
            from_zero=True,
        )
        for name in names
        for queue in [name.removeprefix(RANK)]
    ]


def _speed(curves: Curves) -> list[Chart]:
    wanted = (
        (f"{TRAIN}lr", "learning rate", "", True),
        (f"{TRAIN}videos_per_second", "videos per second", "", True),
        (f"{TRAIN}data_wait_percent", "waiting for videos", "%", True),
    )
    return [
        Chart(title=title, curves=[_curve("", curves[name])], unit=unit, from_zero=from_zero)
        for name, title, unit, from_zero in wanted
        if name in curves
    ]


def _percent(title: str, points: Sequence[Point], levels: Sequence[Level], *, compared: str = "", single: bool = False) -> Chart:
    """`compared` names the level, below which a note says so; `single`: a reading is of all test videos, so the last one counts."""
    newest = points[-1][1] if single else mean_of_last(points)
    note = f"below {compared}" if levels and newest < levels[0].value else ""
    return Chart(title=title, unit="%", curves=[_curve("accuracy", points)], levels=levels, from_zero=True, note=note)


def mean_of_last(points: Sequence[Point]) -> float:
    """The mean of the last readings: single batches scatter."""
    values = [value for _, value in points[-READINGS:]]
    return sum(values) / len(values)


def _curve(name: str, points: Sequence[Point], *, is_context: bool = False) -> Curve:
    return Curve(name=name, points=points, is_context=is_context)


def words(name: str) -> str:
    """`inter_frame` as `inter frame`."""
    return name.replace("_", " ")
