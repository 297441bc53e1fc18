"""Stored results of a run: results.json and the list of broken videos."""

from __future__ import annotations

import contextlib
import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from vclr_pl.files import ANY_BYTE, write_csv, write_whole
from vclr_pl.text import readable_content, redacted_content
from vclr_pl.types import BrokenVideo, BrokenVideosError, InputError

RESULTS = "results.json"
RANDOM_INITIALIZATION = "random initialization"
RUN_PAGE = "run.html"
CONFIG_FILE = "config.yaml"  # every option of a run; its first line is the command line


@dataclass(frozen=True)
class ResultRecord:
    """Metrics in percent by name; `rank_me` is a number of dimensions. `baseline` is empty if it was not evaluated.

    `intervals` are `[low, high]` of a metric over resampled queries, `by_class` a metric within each class; the evaluation of a run
    leaves them empty. `chance` are the metrics of random neighbors. `encoder` gives the source of an evaluated encoder, `baseline_name`
    describes the baseline. A training run has the number of `queries` behind its metrics (else 0), and the losses of a random guess by
    their name in metrics.csv, as `loss_inter_frame`. `skipped` names the measures that need labels, where videos have none. `outcomes` are
    those of each query (`report.outcomes`), `choices` the data set, its task and its seed; both are empty in older files.
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
    baseline_name: str = RANDOM_INITIALIZATION
    queries: int = 0
    guess_losses: dict[str, float] = field(default_factory=dict)
    chance: dict[str, float] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    outcomes: dict[str, Any] = field(default_factory=dict)
    choices: dict[str, str] = field(default_factory=dict)


@contextlib.contextmanager
def results_last(record: ResultRecord, path: Path) -> Iterator[None]:
    """Write the record after the block, which makes the other files: a run that has results.json has finished, also if it is killed between
    them. An error of the block does not cost the results.
    """
    try:
        yield
    except Exception:
        write_record(record, path)
        raise
    write_record(record, path)


def write_record(record: ResultRecord, path: Path) -> None:
    """Write JSON atomically."""
    write_whole(path, json.dumps(redacted_content(readable_content(asdict(record))), indent=2) + "\n")


def read_record(path: Path) -> ResultRecord:
    """Read a file of `write_record`."""
    return ResultRecord(**json.loads(path.read_text()))


ENCODERS = "encoders"  # key of the records in results.json of `compare`


def read_records(path: Path) -> list[ResultRecord]:
    """The record of a run, or those of the encoders that `compare` has compared."""
    content = json.loads(path.read_text())
    return [ResultRecord(**record) for record in content.get(ENCODERS, [content])]


def read_name(path: Path) -> str | None:
    """The name of a run of `compare`; None for the other commands, and for older files."""
    content = json.loads(path.read_text())
    return str(content["name"]) if ENCODERS in content and "name" in content else None


BROKEN_VIDEOS = "broken_videos.csv"
COLUMNS = ("path", "backend", "reason")


def add_to_broken_list(file: Path, videos: Iterable[BrokenVideo]) -> None:
    """Add `videos` to the list in `file`, which is created if missing. A listed video gets the new reason."""
    listed = {video.path: video for video in (*_listed(file), *videos)}
    write_csv(file, COLUMNS, ((video.path, video.backend, video.reason) for video in listed.values()))


def listed_error(error: BrokenVideosError, *, file: Path) -> InputError:
    """Write the error's videos to `file`; return the error with a hint to the file."""
    add_to_broken_list(file, error.broken)
    return InputError(expected=error.expected, got=error.got, hint=f"{error.hint} All of them are listed in {file}.")


def _listed(file: Path) -> list[BrokenVideo]:
    if not file.is_file():
        return []
    with file.open(newline="", **ANY_BYTE) as stream:
        return [BrokenVideo(path=line["path"], backend=line["backend"], reason=line["reason"]) for line in csv.DictReader(stream)]
