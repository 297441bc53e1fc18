"""What has become of the runs of a table: a small file in each run folder says what was begun, what has finished, and how long it took."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from functools import cached_property
from pathlib import Path

from vclr_pl.files import write_whole
from vclr_pl.report.record import RESULTS
from vclr_pl.runner.paper_table import PlannedRun, identity
from vclr_pl.runner.run_inputs import identity_of_videos, identity_of_weights
from vclr_pl.types import InputError

LEDGER = "reproduced_run.json"


class State(Enum):
    """Of a run. CHANGED: its folder has a run with other options, or of another encoder or other videos."""

    FINISHED = "finished"
    BEGUN = "begun"
    FAILED = "failed"
    TO_DO = "to do"
    CHANGED = "changed"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """The content of a run folder's file.

    Args:
        options: that can change the result, with places in braces.
        identity: digits of these options and of those of the runs that it needs.
        seconds: of all its starts.
        finished: the command has ended without an error.
        failure: the last line of its output, where it has failed.
        inputs: what identifies the folders of videos and the encoders that it reads, by name.
    """

    command: str
    options: tuple[str, ...]
    identity: str
    seconds: float = 0.0
    finished: bool = False
    failure: str | None = None
    inputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Ledger:
    """The entries of all runs of a table.

    Args:
        folder: of all reproductions.
        weights: files that the user has named.
        roots: folders of videos that the user has named.
    """

    folder: Path
    runs: Mapping[str, PlannedRun]
    weights: Mapping[str, str]
    roots: Mapping[str, str] = field(default_factory=dict)

    def read(self, run: PlannedRun) -> Entry | None:
        """The entry of a run; None for a run that no command has begun.

        Raises:
            InputError: its file cannot be read.
        """
        path = self.folder / run.name / LEDGER
        try:
            content = json.loads(path.read_text())
            return Entry(**{**content, "options": tuple(content["options"])})
        except OSError:
            return None
        except (ValueError, TypeError, KeyError) as error:
            hint = f"Remove this file's folder, and the run is done anew; or restore the file. ({error})"
            raise InputError(expected="the notes of reproduce on a run", got=f"{path}, which cannot be read", hint=hint) from error

    def write(self, run: PlannedRun, entry: Entry) -> None:
        write_whole(self.folder / run.name / LEDGER, json.dumps(asdict(entry), indent=2) + "\n")

    def begin(self, run: PlannedRun) -> Entry:
        """Note that the run begins, or continues."""
        before, state = self.read(run), self.state(run)
        entry = Entry(command=run.command, options=tuple(run.what_counts()), identity=self.identity(run), inputs=self.inputs(run))
        if before is not None and state is not State.CHANGED and not before.finished:
            entry = replace(entry, seconds=before.seconds)
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

    def inputs(self, run: PlannedRun) -> dict[str, str]:
        """What identifies the videos that the run reads, and the encoders of the runs that it needs, by name."""
        videos = {f"roots.{name}": self._videos[name] for name in run.places("root") if name in self._videos}
        return videos | {name: identity_of_weights(str(self.folder / name)) for name in run.needs}

    @cached_property
    def _videos(self) -> dict[str, str]:
        used = {name for run in self.runs.values() for name in run.places("root")}
        return {name: identity_of_videos(path) for name, path in self.roots.items() if name in used}

    def state(self, run: PlannedRun) -> State:
        """By the entry; a run that has finished also has results."""
        entry = self.read(run)
        if entry is None:
            return State.TO_DO
        if self.change(run) is not None:
            return State.CHANGED
        if entry.finished and (self.folder / run.name / RESULTS).is_file():
            return State.FINISHED
        return State.BEGUN if entry.failure is None else State.FAILED

    def change(self, run: PlannedRun) -> str | None:
        """By what a run differs from that in its folder, in words; None if it does not, or if there is none."""
        entry = self.read(run)
        if entry is None:
            return None
        if entry.identity != self.identity(run):
            return _other_options(run, entry)
        for name in run.needs:
            if self.state(self.runs[name]) is not State.FINISHED:
                return f"{name}, which it needs, has to be done again"
        now = self.inputs(run)
        for name, was in entry.inputs.items():
            if now.get(name, was) != was:
                return f"{name} has been done again" if name in run.needs else f"{name} with {was} there, {now[name]} now"
        return None

    def has_work(self, run: PlannedRun) -> bool:
        """False for a run that has failed before its first checkpoint: to repeat it costs nothing."""
        entry = self.read(run)
        return entry is not None and (entry.failure is None or any((self.folder / run.name).rglob("*.ckpt")))

    def put_aside(self, run: PlannedRun) -> Path:
        """Rename the folder of a run to the first free of `FOLDER.1`, `FOLDER.2`; returns the new name."""
        folder = self.folder / run.name
        free = next(path for number in range(1, 10_000) if not (path := folder.with_name(f"{folder.name}.{number}")).exists())
        return folder.rename(free)

    def expected_seconds(self, runs: Sequence[PlannedRun], *, measured: Mapping[str, float]) -> dict[str, float | None]:
        """Seconds that each run takes, by name: those that it took, the median of finished runs of its kind, or those of the table.

        Args:
            measured: seconds by kind, which count more than those of the table.
        """
        took = {run.name: entry.seconds for run in self.runs.values() if self.state(run) is State.FINISHED and (entry := self.read(run))}
        kinds: dict[str, list[float]] = {}
        for name, seconds in took.items():
            kinds.setdefault(self.runs[name].kind, []).append(seconds)
        usual = {**measured, **{kind: statistics.median(seconds) for kind, seconds in kinds.items()}}
        return {run.name: took.get(run.name, usual.get(run.kind, run.seconds)) for run in runs}


def _other_options(run: PlannedRun, entry: Entry) -> str:
    own = run.what_counts()
    here, there = ([word for word in one if word not in other] for one, other in ((own, entry.options), (entry.options, own)))
    if not here and not there:
        return "the same options, and other weights or a run that it needs with others"
    return f"{' '.join(there) or 'none of these'} there, {' '.join(here) or 'none of these'} now"
