"""The outcome of each query in results.json, from which several runs are compared pair by pair.

In the file, `outcomes` has `queries`, sixteen hexadecimal digits that identify the list of queries, and `values` by metric: a text of 0 and
1, one character a query in the order of the list. With `weights` (localization) the values and the weights are numbers between spaces.
The metric is 100 times the sum of the values over the sum of the weights, which are 1 if they are not in the file.

Does not import torch. Legend: Q queries.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from vclr_pl.evaluation.accuracy import QueryScores
    from vclr_pl.types import FeatureTable

Numbers = npt.NDArray[np.float64]
FIRST_PLACE = ("_r1", "_top1")  # ends of the metrics whose outcome is right or wrong at the first place
DIGITS = 16
NUMBER = ".12g"


@dataclass(frozen=True)
class Outcomes:
    """What a run got right, by query.

    Args:
        queries: identity of the list of queries; equal lists on different machines have the same.
        values: `[Q]` by metric.
        weights: `[Q]`: a metric is 100 times the sum of its values over the sum of the weights.
    """

    queries: str
    values: Mapping[str, Numbers]
    weights: Numbers

    def percent(self, metric: str) -> float:
        """The metric of the whole list."""
        return 100.0 * float(self.values[metric].sum()) / float(self.weights.sum())


def of_queries(scores: Iterable[QueryScores], *, queries: FeatureTable, drawn_by: str) -> dict[str, Any]:
    """The content of `outcomes`: R@1 and the top-1 accuracies. Metrics of other ranks and mAP are left out; empty if nothing is left.

    Args:
        queries: the scored rows, in their order.
        drawn_by: digest of the settings of procedural videos, which have the same names for all settings; empty for other videos.
    """
    values = {name: values_Q.tolist() for of in scores for name, values_Q in of.values.items() if name.endswith(FIRST_PLACE)}
    if not values:
        return {}
    names = [queries.class_names[label] if 0 <= label < len(queries.class_names) else str(label) for label in queries.label.tolist()]
    texts = {name: "".join("1" if value else "0" for value in of) for name, of in values.items()}
    return {"queries": identity_of(queries.path, classes=names, drawn_by=drawn_by), "values": texts}


def of_segments(values: Mapping[str, Numbers], *, weights: Mapping[str, float], drawn_by: str) -> dict[str, Any]:
    """The content of `outcomes` for videos with several true segments.

    Args:
        values: recalled segments of each video, a mean over thresholds and numbers of proposals, by metric.
        weights: number of true segments by video, in the order of the values.
        drawn_by: as in `of_queries`.
    """
    texts = {name: " ".join(format(value, NUMBER) for value in of) for name, of in values.items()}
    counts = [format(count, NUMBER) for count in weights.values()]
    return {"queries": identity_of(list(weights), classes=counts, drawn_by=drawn_by), "weights": " ".join(counts), "values": texts}


def identity_of(paths: Sequence[str], *, classes: Sequence[str], drawn_by: str) -> str:
    """Sixteen hexadecimal digits of the paths below their common folder, of their classes and of the settings of procedural videos."""
    folders = {os.path.dirname(path) for path in paths}  # noqa: PTH120 (URLs too)
    shared = os.path.commonpath(folders) if folders and len({os.path.isabs(folder) for folder in folders}) == 1 else ""  # noqa: PTH117
    names = [path.removeprefix(shared).lstrip(os.sep).replace(os.sep, "/") for path in paths]
    content = json.dumps([names, list(classes), drawn_by])  # escapes: names may be any bytes
    return hashlib.sha256(content.encode()).hexdigest()[:DIGITS]


def read_outcomes(content: Mapping[str, Any]) -> Outcomes | None:
    """The outcomes of a record; None for a file of an earlier version, or a run without such metrics."""
    if not content:
        return None
    weighted = content.get("weights")
    values = {name: _numbers(text) if weighted is not None else _digits(text) for name, text in content["values"].items()}
    weights = np.ones(len(next(iter(values.values()), ()))) if weighted is None else _numbers(weighted)
    return Outcomes(queries=content["queries"], values=values, weights=weights)


def _numbers(text: str) -> Numbers:
    return np.array(text.split(), dtype=np.float64)


def _digits(text: str) -> Numbers:
    return (np.frombuffer(text.encode("ascii"), dtype=np.uint8) - ord("0")).astype(np.float64)
