"""All measures of an encoder on one pair of tables: figures, intervals, classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vclr_pl.evaluation.bootstrap import Bootstrap
from vclr_pl.types import FeatureTable


@dataclass
class Scores:
    """In percent, by metric; `by_class` by metric and class name."""

    metrics: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    by_class: dict[str, dict[str, float]] = field(default_factory=dict)


def score(*, measures: Mapping[str, Any], gallery: FeatureTable, query: FeatureTable | None, bootstrap: Bootstrap) -> Scores:
    """Ask each measure. One without `scores` (the method with the figures of each query) has figures and no intervals.

    Raises:
        InputError: tables that a measure cannot use.
    """
    found = Scores()
    for measure in measures.values():
        if not hasattr(measure, "scores"):
            found.metrics.update(measure(gallery=gallery, query=query))
            continue
        scores = measure.scores(gallery=gallery, query=query)
        if scores is None:
            continue
        found.metrics.update(scores.metrics())
        found.intervals.update(bootstrap.intervals(scores))
        if scores.of_class:
            found.by_class[scores.of_class] = scores.by_class(gallery.class_names)
    return found
