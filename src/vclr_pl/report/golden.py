"""Golden curves: the curves and results of a run in one JSON file, with the bounds within which a repetition has to stay."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field
from pathlib import Path
from typing import Any

from vclr_pl.files import write_whole
from vclr_pl.report.chart import Point, shown
from vclr_pl.report.record import ResultRecord
from vclr_pl.types import InputError

CURVES = "curves"  # key of the file, which results.json lacks
EVALUATED = "val/"  # before the name of a metric in metrics.csv; results.json has it without


@dataclass(frozen=True)
class Bound:
    """Largest difference from the stored value at a step: `first` at step 1, `growth` times as much with each step, at most `last`.

    Rounding errors multiply from step to step until the two runs are unrelated draws of the same curve. A bound that fits the last step
    would be blind to faults in the first ones.
    """

    first: float
    growth: float
    last: float

    def at(self, step: int) -> float:
        """The bound at a step, from 1; before it, as for the baseline, `first`."""
        exponent = math.log(self.first) + max(step - 1, 0) * math.log(self.growth)
        return self.last if exponent >= math.log(self.last) else math.exp(exponent)


@dataclass(frozen=True)
class Deviation:
    """The value of a repetition that is farthest from the stored one, in units of its bound; `value` is NaN where there is none."""

    name: str
    step: int
    value: float
    stored: float
    bound: float

    @property
    def is_outside(self) -> bool:
        return not abs(self.value - self.stored) <= self.bound

    @property
    def share(self) -> float:
        """The difference as a multiple of the bound; infinite for a missing or broken value."""
        share = abs(self.value - self.stored) / self.bound
        return share if math.isfinite(share) else math.inf

    def __str__(self) -> str:
        place = "outside" if self.is_outside else "within"
        values = f"{precise(self.value)}, stored {precise(self.stored)}"
        return f"{self.name} at step {self.step}: {values}, {place} the bound of {self.bound:.2g}"


def precise(value: float) -> str:
    """Seven digits, as float32 has: with fewer a value outside its bound looks like the stored one."""
    return f"{value:.7g}" if math.isfinite(value) else shown(value)


@dataclass(frozen=True, kw_only=True)
class GoldenCurves:
    """Curves by their name in metrics.csv, as (step, value) with steps from 1, and the record of results.json.

    `bounds` are by the same names, those of metrics without `val/`: they hold for the curve, the result and its baseline. A curve
    without a bound is drawn and not compared. `made` says how: command, commit, versions, machine.
    """

    record: ResultRecord
    curves: Mapping[str, Sequence[Point]]
    bounds: Mapping[str, Bound]
    made: Mapping[str, Any] = field(default_factory=dict)

    @property
    def last_step(self) -> int:
        return max((points[-1][0] for points in self.curves.values() if points), default=1)

    def bound_of(self, name: str, step: int) -> float | None:
        """The bound of a curve or metric at a step; None if it is not compared."""
        bound = self.bounds.get(name.removeprefix(EVALUATED))
        return None if bound is None else bound.at(step)

    def deviations(self, curves: Mapping[str, Sequence[Point]], record: ResultRecord) -> list[Deviation]:
        """The largest deviation of each curve, result and baseline that has a bound, in the order stored."""
        results = ((self.record.metrics, record.metrics, self.last_step, ""), (self.record.baseline, record.baseline, 0, ", baseline"))
        found = [self._farthest(name, name, points, dict(curves.get(name, ()))) for name, points in self.curves.items()]
        for stored, repeated, step, suffix in results:
            values = {name: {step: repeated[name]} if name in repeated else {} for name in stored}
            found += [self._farthest(name, name + suffix, [(step, value)], values[name]) for name, value in stored.items()]
        return [deviation for deviation in found if deviation is not None]

    def _farthest(self, name: str, title: str, stored: Sequence[Point], values: Mapping[int, float]) -> Deviation | None:
        found = [
            Deviation(title, step, values.get(step, math.nan), value, bound)
            for step, value in stored
            if (bound := self.bound_of(name, step)) is not None
        ]
        return max(found, key=lambda deviation: deviation.share, default=None)

    def write(self, path: Path) -> None:
        """Write JSON, each curve in a line of its own."""
        curves = ",\n".join(
            f"  {json.dumps(name)}: {json.dumps([list(point) for point in points])}" for name, points in self.curves.items()
        )
        bounds = ",\n".join(f"  {json.dumps(name)}: {json.dumps(list(astuple(bound)))}" for name, bound in self.bounds.items())
        rest = json.dumps({"made": dict(self.made), "record": asdict(self.record)}, indent=1)
        write_whole(path, f'{{\n"bounds": {{\n{bounds}\n}},\n"{CURVES}": {{\n{curves}\n}},\n{rest[2:]}\n')


def read_golden(path: Path) -> GoldenCurves | None:
    """Golden curves from their file; None if the file is JSON without curves, such as results.json.

    Raises:
        InputError: a file of curves that is not complete.
    """
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict) or CURVES not in content:
        return None
    try:
        return GoldenCurves(
            record=ResultRecord(**content["record"]),
            curves={name: [(int(step), float(value)) for step, value in points] for name, points in content[CURVES].items()},
            bounds={name: Bound(*map(float, bound)) for name, bound in content["bounds"].items()},
            made=content["made"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(expected=f"golden curves in {path}", got=repr(error), hint="Write the file anew: make golden.") from error
