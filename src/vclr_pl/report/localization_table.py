"""The figures of proposals beside those of evenly spaced ones, for a terminal and for a page."""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Table

from vclr_pl.report.result_record import ResultRecord
from vclr_pl.report.result_table import localization_title
from vclr_pl.report.retrieval_page import Figure


def localization_table(record: ResultRecord) -> Table:
    """Percent: each figure of evenly spaced proposals, of the network's, and the gain."""
    table = Table(title=f"{record.name}, seed {record.provenance.get('seed', '?')}", title_justify="left")
    table.add_column("percent")
    for column in ("evenly spaced", "BMN", "gain"):
        table.add_column(column, justify="right")
    for name, value in record.metrics.items():
        even = record.baseline.get(name)
        told = ("-", "-") if even is None else (f"{even:.1f}", f"{value - even:+.1f}")
        table.add_row(localization_title(name), told[0], f"{value:.1f}", told[1])
    return table


def localization_figures(metrics: Mapping[str, float], baseline: Mapping[str, float]) -> list[Figure]:
    """The same for the page."""
    return [
        Figure(localization_title(name), f"{value:.1f}%", f"evenly spaced {baseline[name]:.1f}" if name in baseline else "")
        for name, value in metrics.items()
    ]
