"""Which measures are taken of videos with labels, and without."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

Measure = TypeVar("Measure")


def needs_labels(measure: object) -> bool:
    """What the measure declares by `needs_labels`; True where it declares nothing."""
    return bool(getattr(measure, "needs_labels", True))


def stands_in(measure: object) -> bool:
    """What the measure declares by `stands_in_for_labels`: whether it is taken only of videos without labels."""
    return bool(getattr(measure, "stands_in_for_labels", False))


def applicable(measures: Mapping[str, Measure], *, labeled: bool) -> dict[str, Measure]:
    """The measures to take, by name: without labels those that need none, with labels all that do not stand in for labels."""
    return {name: measure for name, measure in measures.items() if not (stands_in(measure) if labeled else needs_labels(measure))}


def skipped(measures: Mapping[str, object], *, labeled: bool) -> list[str]:
    """The names, in words, of the measures that lack labels."""
    return [name.replace("_", " ") for name, measure in measures.items() if not labeled and needs_labels(measure)]
