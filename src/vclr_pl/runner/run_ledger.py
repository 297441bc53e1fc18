"""What has become of the runs of a table: a small file in each run folder says what was begun, what has finished, and how long it took."""

from __future__ import annotations

import hashlib
import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import Enum
from functools import cached_property
from pathlib import Path

from vclr_pl.files import write_whole
from vclr_pl.report.record import RESULTS
from vclr_pl.runner.paper_table import PlannedRun, identity

LEDGER = "reproduced_run.json"
MIB = 2**20
OF_FOLDER = ("backbone.safetensors", "recognizer.safetensors", RESULTS)  # the first that a run folder has identifies it


class State(Enum):
    """Of a run. CHANGED: its folder has a run with other options."""

    FINISHED = "finished"
    BEGUN = "begun"
    FAILED = "failed"
    TO_DO = "to do"
    CHANGED = "other options"
    MISSING = "missing"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """The content of a run folder's file.

    Args:
        options: that can change the result, with places in braces.
        identity: digits of these options and of those of the runs that it needs.
        seconds: of all its starts.
        finished: the command has ended without an error.
        failure: the last line of its output, where it has failed.
    """

    command: str
    options: tuple[str, ...]
    identity: str
    seconds: float = 0.0
    finished: bool = False
    failure: str | None = None


@dataclass(frozen=True)
class Ledger:
    """The entries of all runs of a table.

    Args:
        folder: of all reproductions.
        weights: files that the user has named.
    """

    folder: Path
    runs: Mapping[str, PlannedRun]
    weights: Mapping[str, str]

    def read(self, run: PlannedRun) -> Entry | None:
        """The entry of a run; None for a run that no command has begun."""
        try:
            content = json.loads((self.folder / run.name / LEDGER).read_text())
        except OSError:
            return None
        return Entry(**{**content, "options": tuple(content["options"])})

    def write(self, run: PlannedRun, entry: Entry) -> None:
        write_whole(self.folder / run.name / LEDGER, json.dumps(asdict(entry), indent=2) + "\n")

    def begin(self, run: PlannedRun) -> Entry:
        """Note that the run begins, or continues."""
        before = self.read(run)
        own = Entry(command=run.command, options=tuple(run.what_counts()), identity=self.identity(run))
        continues = before is not None and before.identity == own.identity and not before.finished
        entry = replace(own, seconds=before.seconds) if before is not None and continues else own
        self.write(run, entry)
        return entry

    def end(self, run: PlannedRun, *, seconds: float, finished: bool, failure: str | None) -> None:
        """Note how a start of the run has ended."""
        entry = self.read(run)
        assert entry is not None
        self.write(run, replace(entry, seconds=entry.seconds + seconds, finished=finished, failure=failure))

    def identity(self, run: PlannedRun) -> str:
        return identity(run, self.runs, files=self._files)

    @cached_property
    def _files(self) -> dict[str, str]:
        return {name: identity_of_weights(path) for name, path in self.weights.items()}

    def state(self, run: PlannedRun) -> State:
        """By the entry; a run that has finished also has results."""
        entry = self.read(run)
        if entry is None:
            return State.TO_DO
        if entry.identity != self.identity(run):
            return State.CHANGED
        if entry.finished and (self.folder / run.name / RESULTS).is_file():
            return State.FINISHED
        return State.BEGUN if entry.failure is None else State.FAILED

    def change(self, run: PlannedRun) -> str:
        """The options by which a run differs from that in its folder, in words."""
        entry = self.read(run)
        assert entry is not None
        own = run.what_counts()
        here, there = ([word for word in one if word not in other] for one, other in ((own, entry.options), (entry.options, own)))
        if not here and not there:
            return "the same options, and a run that it needs has others"
        return f"{' '.join(there) or 'none of these'} there, {' '.join(here) or 'none of these'} now"

    def put_aside(self, run: PlannedRun) -> Path:
        """Rename the folder of a run to the first free of `FOLDER.1`, `FOLDER.2`; returns the new name."""
        folder = self.folder / run.name
        free = next(path for number in range(1, 10_000) if not (path := folder.with_name(f"{folder.name}.{number}")).exists())
        return folder.rename(free)

    def expected_seconds(self, runs: Sequence[PlannedRun], *, measured: Mapping[str, float]) -> dict[str, float | None]:
        """Seconds that each run takes, by name: those that it took, the mean of finished runs of its kind, or those of the table.

        Args:
            measured: seconds by kind, which count more than those of the table.
        """
        took = {run.name: entry.seconds for run in self.runs.values() if self.state(run) is State.FINISHED and (entry := self.read(run))}
        kinds: dict[str, list[float]] = {}
        for name, seconds in took.items():
            kinds.setdefault(self.runs[name].kind, []).append(seconds)
        means = {**measured, **{kind: statistics.fmean(seconds) for kind, seconds in kinds.items()}}
        return {run.name: took.get(run.name, means.get(run.kind, run.seconds)) for run in runs}


def identity_of_weights(path: str) -> str:
    """What changes when the weights change: name, size, first and last MiB of a file; the weights or results of a run folder, wherever it
    is. Names of the hub and of libraries, and paths of nothing, are themselves.
    """
    place = Path(path).expanduser()
    if place.is_dir():
        inside = next((place / name for name in OF_FOLDER if (place / name).is_file()), None)
        return place.name if inside is None else _fingerprint(inside)
    return _fingerprint(place) if place.is_file() else path


def _fingerprint(file: Path) -> str:
    """`last.ckpt 1024 0123456789ab`: name, bytes, and digits of the first and the last MiB."""
    size = file.stat().st_size
    with file.open("rb") as content:
        digest = hashlib.sha256(content.read(MIB))
        content.seek(max(0, size - MIB))
        digest.update(content.read(MIB))
    return f"{file.name} {size} {digest.hexdigest()[:12]}"
