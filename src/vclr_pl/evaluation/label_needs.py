"""Which measures can be taken of videos without labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

Measure = TypeVar("Measure")


def needs_labels(measure: object) -> bool:
    """What the measure declares by `needs_labels`; True where it declares nothing."""
    return bool(getattr(measure, "needs_labels", True))


def applicable(measures: Mapping[str, Measure], *, labeled: bool) -> dict[str, Measure]:
    """The measures that can be taken, by name: all of them if the videos are labeled, else those that need no labels."""
    return {name: measure for name, measure in measures.items() if labeled or not needs_labels(measure)}


def skipped(measures: Mapping[str, object], *, labeled: bool) -> list[str]:
    """The names of the other measures, in words."""
    taken = applicable(measures, labeled=labeled)
    return [name.replace("_", " ") for name in measures if name not in taken]
