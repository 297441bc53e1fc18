"""The runs behind a table: what each trains or evaluates, what it needs, and which cells of the table it fills.

A table is data (conf/table). Its runs are written once for all tasks, methods and seeds that they go over; words in braces stand for what
differs between them:

- `{task}`, `{method}`, `{seed}`: of this run. `{data}` as an option of its own: the options of its task.
- `{run.NAME}`: the folder of the run NAME of the same task, method and seed, which has to finish first.
- `{root.NAME}`, `{weights.NAME}`: a folder of videos, and a file of weights, that the user names.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vclr_pl.runner.python_call import in_grammar
from vclr_pl.runner.run_identity import is_neutral
from vclr_pl.runner.table_input import fixed_methods
from vclr_pl.types import InputError

PLACE = re.compile(r"\{(?P<kind>run|root|weights)[.:](?P<name>[^{}]+)\}")  # `{run:FOLDER}` once the task, method and seed are known
AXES = ("task", "method", "seed")
COMMANDS = ("train", "evaluate", "compare", "finetune", "localize")
RESUMABLE = ("train", "finetune")  # with resume=auto; the others skip what they have done
Values = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class PlannedCell:
    """A figure of the table, of one seed.

    Args:
        part: of the table; empty for a table of one part.
        metric: its name in results.json.
        encoder: name of the record in results.json of `compare`; empty for the other commands.
        published: the paper's figure, in percent; None where it has none.
        values: the task, method and seed.
    """

    row: str
    column: str
    metric: str
    part: str = ""
    encoder: str = ""
    published: float | None = None
    values: Values = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PlannedRun:
    """One run of a table.

    Args:
        name: its folder below that of all reproductions.
        kind: the entry of the table from which it is made; runs of one kind take about the same time.
        words: of its command line; places are still in braces.
        needs: names of the runs that have to finish first.
        seconds: that it takes on two CPU cores; None if unknown.
    """

    name: str
    kind: str
    command: str
    words: tuple[str, ...]
    needs: tuple[str, ...]
    cells: tuple[PlannedCell, ...]
    seconds: float | None
    seed: str

    def places(self, kind: str) -> list[str]:
        """The names of the `{root.NAME}` or `{weights.NAME}` in its options."""
        return list(dict.fromkeys(found["name"] for word in self.words for found in PLACE.finditer(word) if found["kind"] == kind))

    def command_line(self, *, folder: Path, roots: Mapping[str, str], weights: Mapping[str, str]) -> list[str]:
        """The words with every place filled in, and the run folder.

        Args:
            folder: of all reproductions.
        """

        def place(found: re.Match[str]) -> str:
            kind, name = found["kind"], found["name"]
            return in_grammar(str(folder / name) if kind == "run" else {"root": roots, "weights": weights}[kind][name])

        resume = ["resume=auto"] if self.command in RESUMABLE else []
        return [*(PLACE.sub(place, word) for word in self.words), *resume, f"hydra.run.dir={in_grammar(str(folder / self.name))}"]

    def what_counts(self) -> list[str]:
        """The options that can change its result, sorted. Where videos and runs are does not, nor does the hardware."""
        return sorted(word for word in self.words if not is_neutral(key_of(word)))


def identity(run: PlannedRun, runs: Mapping[str, PlannedRun], *, files: Mapping[str, str]) -> str:
    """Digits that are equal for equal options of the run and of all runs that it needs.

    Args:
        files: what identifies the files of weights, by name.
    """
    own = [run.command, run.what_counts(), [files.get(name) for name in run.places("weights")]]
    content = [*own, [identity(runs[name], runs, files=files) for name in run.needs]]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]


def key_of(word: str) -> str:
    """`trainer.max_epochs` of `+trainer.max_epochs=3`."""
    return _place_of(word).partition("@")[0]


class PaperTable:
    """The runs of a table.

    Args:
        title: of the table.
        runs: its entries, in an order in which each comes after those that it needs. Keys of an entry: `name`; `command`; `over`, which of
            task, method and seed it is repeated for; `tasks`, those it is limited to; `options`; `encoders`, of `compare`, by name, where
            `{method}` stands for all of them; `cells`, whose keys are those of PlannedCell; `pretrains`, the file of `weights` that takes
            its place; `seconds`.
        tasks: data sets of the demo.
        methods: objectives. Those that `encoders` names have a run of their own already.
        seeds: repetitions.
        data: options of each task.
        reference: the method that the others are compared with, seed by seed. None compares none.
        short_runs: the runs take seconds: `jobs` processes do one after the other, without starting Python for each.
    """

    def __init__(
        self,
        *,
        title: str,
        runs: Sequence[Mapping[str, Any]],
        seeds: Sequence[int],
        tasks: Sequence[str] = (),
        methods: Sequence[str] = (),
        data: Mapping[str, Sequence[str]] | None = None,
        reference: str | None = None,
        short_runs: bool = False,
    ) -> None:
        self.title, self.entries, self.reference, self.short_runs = title, runs, reference, short_runs
        self.data = data or {}
        chosen = {"task": tasks, "method": [name for name in methods if name not in fixed_methods(runs)], "seed": map(str, seeds)}
        self.axes = {axis: [*dict.fromkeys(values)] for axis, values in chosen.items()}  # a value given twice is one run

    def planned(self, *, weights: Mapping[str, str], options: Mapping[str, Sequence[str]]) -> list[PlannedRun]:
        """All runs, those of the first seed first, each after those that it needs.

        Args:
            weights: files that take the place of trainings, by the name that the training `pretrains`.
            options: further options by command, and for all runs under `all`. They take the place of those of the table with the same key.
        """
        entries = {entry["name"]: entry for entry in self.entries if not weights.get(entry.get("pretrains", ""))}
        given = {entry["name"]: entry["pretrains"] for entry in self.entries if entry["name"] not in entries}
        runs = [
            self._run(entry, values, entries=entries, given=given, options=options)
            for entry in entries.values()
            for values in self._repetitions(entry)
        ]
        return sorted(runs, key=lambda run: self.axes["seed"].index(run.seed))

    def _repetitions(self, entry: Mapping[str, Any]) -> Iterator[dict[str, str]]:
        over = [axis for axis in AXES if axis in entry["over"]]
        for combination in itertools.product(*(self.axes[axis] for axis in over)):
            values = dict(zip(over, combination, strict=True))
            if values.get("task") in entry.get("tasks", [values.get("task")]):
                yield values

    def _run(
        self,
        entry: Mapping[str, Any],
        values: Values,
        *,
        entries: Mapping[str, Mapping[str, Any]],
        given: Mapping[str, str],
        options: Mapping[str, Sequence[str]],
    ) -> PlannedRun:
        words = [*self._words(entry, values), *options.get("all", ()), *options.get(entry["command"], ())]
        needs: list[str] = []

        def with_places(text: str, own: Values) -> str:
            def place(found: re.Match[str]) -> str:
                name = found["name"]
                if found["kind"] != "run":
                    return found[0]
                if name in given:
                    return f"{{weights.{given[name]}}}"
                needs.append(folder_name(entries[name], own))
                return f"{{run:{needs[-1]}}}"

            return PLACE.sub(place, text)

        filled = [with_places(word, values) for word in words]
        if "encoders" in entry:
            pairs = [
                f"{in_grammar(_filled(name, own))}: {with_places(_filled(encoder, own), own)}"
                for name, encoder in entry["encoders"].items()
                for own in self._further(values, f"{name} {encoder}")
            ]
            filled.insert(0, f"encoders={{{', '.join(pairs)}}}")
        cells = tuple(self._cell(cell, own) for cell in entry.get("cells", ()) for own in self._further(values, json.dumps(cell)))
        return PlannedRun(
            name=folder_name(entry, values),
            kind=entry["name"],
            command=entry["command"],
            words=tuple(last_of_each_key(filled)),
            needs=tuple(dict.fromkeys(needs)),
            cells=cells,
            seconds=entry.get("seconds"),
            seed=values.get("seed", self.axes["seed"][0]),
        )

    def _words(self, entry: Mapping[str, Any], values: Values) -> Iterator[str]:
        for word in entry["options"]:
            if word == "{data}":
                yield from self.data[values["task"]]
            else:
                yield _filled(word, values)

    def _further(self, values: Values, text: str) -> Iterator[Values]:
        """The values, with those of each axis that the text names and the entry does not go over."""
        further = [axis for axis in AXES if f"{{{axis}}}" in text and axis not in values]
        for combination in itertools.product(*(self.axes[axis] for axis in further)):
            yield {**values, **dict(zip(further, combination, strict=True))}

    def _cell(self, cell: Mapping[str, Any], values: Values) -> PlannedCell:
        texts: dict[str, Any] = {name: _filled(value, values) if isinstance(value, str) else value for name, value in cell.items()}
        return PlannedCell(**texts, values=values)


def folder_name(entry: Mapping[str, Any], values: Values) -> str:
    """`demo_pretrain/order/vclr/seed_0`."""
    own = [f"seed_{values[axis]}" if axis == "seed" else values[axis] for axis in AXES if axis in entry["over"]]
    return "/".join([entry["name"], *own])


def last_of_each_key(words: Sequence[str]) -> list[str]:
    """The words without those that a later one with the same key replaces. `GROUP@PLACE` and `GROUP@OTHER` are two keys."""
    last = {_place_of(word): word for word in words}
    return [word for place, word in enumerate(words) if last[_place_of(word)] == word and word not in words[place + 1 :]]


def _place_of(word: str) -> str:
    return word.partition("=")[0].lstrip("+~")


def _filled(text: str, values: Values) -> str:
    for axis, value in values.items():
        text = text.replace(f"{{{axis}}}", value)
    return text


def listed(names: Sequence[str], *, most: int = 2) -> str:
    """`a, b and 3 more`."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"


def refuse_missing(runs: Collection[PlannedRun], *, roots: Mapping[str, str | None], weights: Mapping[str, str | None]) -> None:
    """Ask for the folders and files that the runs need.

    Raises:
        InputError: one is not named, or does not exist.
    """
    wanted = [("root", "roots", "DIR", roots), ("weights", "weights", "FILE", weights)]
    for kind, option, what, given in wanted:
        for name in dict.fromkeys(name for run in runs for name in run.places(kind)):
            path = given.get(name)
            serves = f"{option}.{name}={what}, for {listed([run.name for run in runs if name in run.places(kind)])}"
            if path is None:
                raise InputError(expected=serves, got="none", hint="Set it, or skip_missing=true to leave out what needs it.")
            if not is_there(path):
                raise InputError(expected=serves, got=f"no {path}", hint="Correct the path.")


def is_there(path: str) -> bool:
    """False for a file or folder of this machine that does not exist; names of servers and libraries have a colon."""
    return ":" in path or Path(path).expanduser().exists()
