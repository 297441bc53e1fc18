"""Encoders compared by one protocol: a table on the console, a CSV file and the content of results.json."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table

from vclr_pl.files import write_csv
from vclr_pl.report.record import ENCODERS, ResultRecord
from vclr_pl.report.tables import interval, metric_title
from vclr_pl.text import readable_content

if TYPE_CHECKING:
    from vclr_pl.evaluation.scoring import Difference

HEADLINES = ("_r1", "_map", "_top1")  # ends of the metrics in the table; the CSV file and the page have all
FACTS = ("path", "origin", "view", "pooling_segments", "parameters", "feature_dim", "videos_per_second")
KEPT = "kept"
UNBOUNDED = 100_000  # columns


@dataclass(frozen=True, kw_only=True)
class EncoderComparison:
    """The records of all encoders, the first of which the others are compared with.

    Args:
        name: of the run.
        encoders: one record each; `record.encoder` has the keys `FACTS`.
        differences: by encoder and metric, from the first, whose own are empty.
        level_percent: confidence level of the intervals.
        gallery, queries: numbers of videos.
        leave_one_out: without a test list, each video is a query against the others.
    """

    encoders: Sequence[ResultRecord]
    differences: Sequence[Mapping[str, Difference]]
    level_percent: float
    gallery: int
    queries: int
    leave_one_out: bool
    name: str = "compare"

    @property
    def metrics(self) -> list[str]:
        """The metrics of all encoders."""
        return list(dict.fromkeys(name for record in self.encoders for name in record.metrics))

    @property
    def headlines(self) -> list[str]:
        """The metrics of the table: those of `HEADLINES`, or all where there are none of them."""
        return [name for name in self.metrics if name.endswith(HEADLINES)] or self.metrics

    @property
    def over_queries(self) -> list[str]:
        """The metrics of the table that are percentages over queries: those with intervals. RankMe is none."""
        return [name for name in self.headlines if any(name in record.intervals for record in self.encoders)]

    def json(self) -> str:
        """The content of results.json; a difference is its points and the ends of its interval."""
        content = {
            "name": self.name,
            ENCODERS: [asdict(record) for record in self.encoders],
            "differences": [{name: [one.points, one.low, one.high] for name, one in of.items()} for of in self.differences],
            "gallery": self.gallery,
            "queries": self.queries,
        }
        return json.dumps(readable_content(content), indent=2) + "\n"


def speed(record: ResultRecord) -> str:
    """Videos per second in the extraction, or `kept` for stored features."""
    found = record.encoder["videos_per_second"]
    return KEPT if found is None else f"{found:.1f}"


def millions(parameters: int) -> str:
    """`11176512` to `11.2 M`, `4000` to `4.0 k`."""
    return f"{parameters / 1e6:.1f} M" if parameters >= 100_000 else f"{parameters / 1e3:.1f} k"


def points(difference: Difference) -> str:
    """`+3.3 (0.7 to 6.0)`."""
    return f"{difference.points:+z.1f} ({difference.low:z.1f} to {difference.high:z.1f})"


def print_encoders(found: EncoderComparison, *, title: str, console: Console) -> None:
    """Print the encoders, then each metric with its interval and the difference from the first. In a file tables have their full width."""
    for table in (_fact_table(found, title=title), *([_metric_table(found)] if found.metrics else [])):
        if not console.is_terminal:
            table.width = Measurement.get(console, console.options.update(max_width=UNBOUNDED), table).maximum
        console.print(table, soft_wrap=not console.is_terminal)
    console.print(caption(found), soft_wrap=not console.is_terminal, highlight=False, markup=False)


def _fact_table(found: EncoderComparison, *, title: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("encoder", overflow="fold")
    for name in ("parameters", "width", "videos/s"):
        table.add_column(name, justify="right")
    for record in found.encoders:
        table.add_row(escape(record.name), millions(record.encoder["parameters"]), str(record.encoder["feature_dim"]), speed(record))
    return table


def _metric_table(found: EncoderComparison) -> Table:
    table = Table()
    table.add_column("percent" if found.over_queries else "", overflow="fold")
    for name in ("", f"{found.level_percent:g}% interval", "difference"):
        table.add_column(name, justify="right")
    for name in found.headlines:
        chance = next((f", chance {record.chance[name]:.1f}" for record in found.encoders if name in record.chance), "")
        table.add_section()
        table.add_row(f"[bold]{metric_title(name)}[/bold]{chance}")
        for record, differences in zip(found.encoders, found.differences, strict=True):
            if name in record.metrics:
                text = points(differences[name]) if name in differences else ""
                shown = f"[bold]{text}[/bold]" if name in differences and differences[name].is_clear else text
                table.add_row(f"  {escape(record.name)}", f"{record.metrics[name]:.1f}", interval(record.intervals.get(name)), shown)
    return table


def caption(found: EncoderComparison) -> str:
    """What the figures are."""
    if skipped := found.encoders[0].skipped:
        return f"{found.gallery} videos, not all with labels: {', '.join(skipped)} skipped."
    if not found.over_queries:
        return f"{found.gallery} videos."
    queries = f"{found.queries} queries" + (", each against the others" if found.leave_one_out else f", {found.gallery} gallery videos")
    if len(found.encoders) == 1:
        return f"{queries}."
    first = found.encoders[0].name
    return f'{queries}. Differences from "{first}" in points, paired over the queries; bold: the interval does not contain 0.'


def write_encoders(path: Path, found: EncoderComparison) -> None:
    """One line for each encoder; of each metric the value, its interval, and the difference from the first with its interval."""
    ends = ("", "_low", "_high", "_difference", "_difference_low", "_difference_high")
    header = ["encoder", *FACTS, *(f"{name}{end}" for name in found.metrics for end in ends)]
    write_csv(path, header, _lines(found))


def _lines(found: EncoderComparison) -> Iterator[list[object]]:
    for record, differences in zip(found.encoders, found.differences, strict=True):
        line: list[object] = [record.name, *("" if record.encoder[fact] is None else record.encoder[fact] for fact in FACTS)]
        for name in found.metrics:
            value, difference = record.metrics.get(name), differences.get(name)
            figures = [value, *record.intervals.get(name, (None, None))]
            figures += [None] * 3 if difference is None else [difference.points, difference.low, difference.high]
            line += ["" if figure is None else f"{figure:.4f}" for figure in figures]
        yield line
