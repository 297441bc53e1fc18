"""results.json: the numbers of a run, the same network's at random initialization, and where they come from."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from vclr_pl.readable_name import readable_content
from vclr_pl.whole_file import write_whole


@dataclass(frozen=True)
class ResultRecord:
    """Metrics in percent by name. `baseline` is empty where it was not evaluated, both where the data has no labels.

    `intervals` are `[low, high]` of a metric over resampled queries, `by_class` a metric within each class; a run's own evaluation
    leaves them empty. `encoder` tells where an evaluated encoder came from, `baseline_name` what the baseline is.
    """

    name: str
    metrics: dict[str, float]
    baseline: dict[str, float]
    provenance: dict[str, Any]
    timings_seconds: dict[str, float]
    training: dict[str, Any] = field(default_factory=dict)
    intervals: dict[str, list[float]] = field(default_factory=dict)
    by_class: dict[str, dict[str, float]] = field(default_factory=dict)
    encoder: dict[str, Any] = field(default_factory=dict)
    baseline_name: str = "random initialization"


def write_record(record: ResultRecord, path: Path) -> None:
    """Write JSON, replacing the file in one step."""
    write_whole(path, json.dumps(readable_content(asdict(record)), indent=2) + "\n")


def read_record(path: Path) -> ResultRecord:
    """The inverse of `write_record`."""
    return ResultRecord(**json.loads(path.read_text()))
