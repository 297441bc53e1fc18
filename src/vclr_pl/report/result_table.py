"""Tables of results, for a terminal and for a document."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from vclr_pl.report.result_record import ResultRecord

WORDS = {"knn": "kNN", "linear": "linear probe", "logistic": "logistic probe", "retrieval": "retrieval"}
LOCALIZATION = ("ar", "auc", "map")
LOCALIZATION_TITLES = {"auc": "AUC", "map": "mAP, mean of 0.5:0.05:0.95"}
SHORT_WORDS = {"knn": "kNN", "linear": "linear", "logistic": "logistic", "retrieval": ""}
Row = tuple[str, ResultRecord | None]


def metric_title(name: str, *, short: bool = False) -> str:
    """`retrieval_r1` to `retrieval R@1` or `R@1`, `linear_top1` to `linear probe top-1` or `linear top-1`, `ar_100` to `AR@100`."""
    measure, _, figure = name.partition("_")
    if measure in LOCALIZATION:
        return localization_title(name)
    if figure[:1] == "r" and figure[1:].isdigit():
        figure = f"R@{figure[1:]}"
    elif figure.startswith("top") and figure[3:].isdigit():
        figure = f"top-{figure[3:]}"
    elif figure == "map":
        figure = "mAP"
    elif figure == "mean_class":
        figure = "mean of classes"
    words = SHORT_WORDS if short else WORDS
    return f"{words.get(measure, measure)} {figure}".strip().replace("_", " ")


def localization_title(name: str) -> str:
    """`ar_100` to `AR@100`, `map_50` to `mAP at 0.50`."""
    measure, _, figure = name.partition("_")
    if name in LOCALIZATION_TITLES:
        return LOCALIZATION_TITLES[name]
    return f"AR@{figure}" if measure == "ar" else f"mAP at 0.{figure}"


def result_table(record: ResultRecord) -> Table:
    """One run: each metric at random initialization, trained, and the gain, in percent and points."""
    table = Table(title=f"{record.name}, seed {record.provenance.get('seed', '?')}", title_justify="left")
    table.add_column("percent")
    for column in ("random init", "trained", "gain"):
        table.add_column(column, justify="right")
    for name, value in record.metrics.items():
        before = record.baseline.get(name)
        table.add_row(metric_title(name), _figure(before), _figure(value), _gain(value, before))
    return table


def sweep_table(rows: Sequence[Row]) -> Table:
    """One line a run: what was overridden and its metrics; a run without results shows dashes."""
    names = _metric_names(rows)
    table = Table(title="sweep", title_justify="left")
    table.add_column("run", overflow="fold", min_width=30)
    for name in names:
        table.add_column(metric_title(name, short=True), justify="right")
    for cells in _cells(rows, names):
        table.add_row(*cells)
    return table


def sweep_markdown(rows: Sequence[Row]) -> str:
    """The sweep's table in Markdown."""
    names = _metric_names(rows)
    lines = ["| run | " + " | ".join(map(metric_title, names)) + " |", "|---|" + "---:|" * len(names)]
    lines += ["| " + " | ".join(cells) + " |" for cells in _cells(rows, names)]
    return "\n".join(lines) + "\n"


def _metric_names(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(name for _, record in rows if record is not None for name in record.metrics))


def _cells(rows: Sequence[Row], names: Sequence[str]) -> list[list[str]]:
    """A row for each run, and first one for each network at random initialization, runs with equal figures sharing it."""
    cells: list[list[str]] = []
    baselines: list[list[str]] = []
    for _, record in rows:
        baseline = [_figure(record.baseline.get(name)) for name in names] if record is not None and record.baseline else []
        seed = record.provenance.get("seed", "?") if record is not None else "?"
        line = [f"random init, seed {seed}", *baseline]
        if baseline and line not in baselines:
            baselines.append(line)
    for title, record in rows:
        figures = [_figure(record.metrics.get(name)) for name in names] if record is not None else ["failed", *["-"] * (len(names) - 1)]
        cells.append([title, *figures[: len(names)]])
    return baselines + cells


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _gain(after: float, before: float | None) -> str:
    return "-" if before is None else f"{after - before:+.1f}"
