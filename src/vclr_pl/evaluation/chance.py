"""What random neighbors give: the metrics of an encoder that knows nothing of the videos."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

import torch

from vclr_pl.evaluation.copy_retrieval import COPY_TOP1
from vclr_pl.types import FeatureTable

RECALL = re.compile(r"retrieval_r(\d+)")
VOTE = "knn_top1"


def chance_percent(names: Iterable[str], *, gallery: FeatureTable, query: FeatureTable | None) -> dict[str, float]:
    """Of the metrics in `names`, those that random neighbors have, in percent: R@k, kNN top-1, and made copies that find their original.

    R@k is that of a random ranking of the gallery: the mean over the queries of 1 - C(N - n, k) / C(N, k), for N gallery videos of which
    n have the query's class. kNN is that of one random neighbor, the mean of n / N. Without queries each gallery video is a query, and
    it is not its own neighbor.
    """
    labels, counts = torch.unique(gallery.label, return_counts=True)
    of_class = dict(zip(labels.tolist(), counts.tolist(), strict=True))
    asked, asked_counts = torch.unique((gallery if query is None else query).label, return_counts=True)
    own = 1 if query is None else 0
    size = len(gallery) - own
    classes = [(of_class.get(label, 0) - own, queries) for label, queries in zip(asked.tolist(), asked_counts.tolist(), strict=True)]
    total = sum(queries for _, queries in classes)
    found = {}
    for name in names:
        if name == COPY_TOP1:
            found[name] = 100.0 / len(gallery)
        recall = RECALL.fullmatch(name)
        if (recall is None and name != VOTE) or size < 1:
            continue
        neighbors = 1 if recall is None else min(int(recall.group(1)), size)
        missed = sum(queries * (math.comb(size - right, neighbors) / math.comb(size, neighbors)) for right, queries in classes)
        found[name] = 100.0 * (1.0 - missed / total)
    return found
