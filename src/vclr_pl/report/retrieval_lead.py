"""The first sentences of the page of a retrieval.

Legend: N videos, F features, P pairs.
"""

from __future__ import annotations

from itertools import combinations

import torch
from torch import Tensor

from vclr_pl.types import FeatureTable

RANDOM_PAIRS = 2000
SIMILARITY_SEED = 0


def retrieval_lead(*, gallery: FeatureTable, query: FeatureTable | None, judged: bool, shown: int, window: str, data_option: str) -> str:
    """What the page shows, how similar two random videos are, and how neighbors are judged.

    Args:
        judged: the neighbors are marked right or wrong.
        shown: number of queries on the page.
        window: of a gallery of segments, in words; empty for whole videos.
        data_option: the option of the gallery's list.
    """
    queries = len(gallery if query is None else query)
    what = "segments" if window else "videos"
    if query is None:
        who = f"{window} Each" if window else f"Each of {queries} videos"
        lead = f"{who} is shown with the most similar others."
    else:
        who = "One query" if queries == 1 else f"{queries} queries, each"
        most = f"the most similar of {len(gallery)} gallery {what}."
        lead = f"{who} with {most if len(gallery) > 1 else 'the only video of the gallery. Add videos to the gallery to compare them.'}"
        lead += f" The gallery: {window}" if window else ""
    if window:
        lead += " A picture plays its segment; the link below it opens the file at that time, if the browser plays this format."
    if len(gallery) > 1:
        similarity = median_similarity(gallery.features)
        lead += f" Two random {what if query is None else f'gallery {what}'} have a median similarity of {similarity:.3f}."
    if judged:
        lead += " A neighbor with the query's class is right, any other wrong."
    else:
        lead += f" {_unjudged(gallery, query, what=what, data_option=data_option)}"
    if shown < queries:
        lead += f" {shown} evenly spaced queries are shown; the metrics are over all queries."
    return lead


def window_in_words(*, segments: int, videos: int, seconds: float, stride_seconds: float) -> str:
    """The segments of a gallery: their number, length and distance."""
    count = "1 segment" if segments == 1 else f"{segments} segments"
    of = "1 video" if videos == 1 else f"{videos} videos"
    return f"{count} of {seconds:g} s, one every {stride_seconds:g} s, of {of}; the last of a video includes the rest."


def median_similarity(features_NF: Tensor) -> float:
    """Median cosine of two different rows, over all pairs, or over `RANDOM_PAIRS` random ones."""
    rows = len(features_NF)
    if rows * (rows - 1) // 2 <= RANDOM_PAIRS:
        pairs_P2 = torch.tensor(list(combinations(range(rows), 2)))
    else:
        generator = torch.Generator().manual_seed(SIMILARITY_SEED)
        first_P = torch.randint(rows, (RANDOM_PAIRS,), generator=generator)
        pairs_P2 = torch.stack((first_P, (first_P + torch.randint(1, rows, (RANDOM_PAIRS,), generator=generator)) % rows), dim=1)
    cosine_P = torch.nn.functional.cosine_similarity(features_NF[pairs_P2[:, 0]].double(), features_NF[pairs_P2[:, 1]].double(), dim=1)
    return float(cosine_P.quantile(0.5))


def _unjudged(gallery: FeatureTable, query: FeatureTable | None, *, what: str, data_option: str) -> str:
    """Why neighbors are not marked, and how to give labels."""
    tables = {what: gallery} if query is None else {f"gallery {what}": gallery, "queries": query}
    unlabeled = {name: int((table.label < 0).sum()) for name, table in tables.items()}
    which = " and ".join(f"{count} of {len(tables[name])} {name}" for name, count in unlabeled.items() if count)
    root = f"{data_option}.root" if query is None or data_option == "data" else f"{data_option}.root and query.root"
    layout = "data=ucf101" if data_option == "data" else f"data@{data_option}=ucf101"
    return (
        f"Neighbors are not marked right or wrong: {which} have no label. Two or more class folders directly below {root} give labels, "
        f"or the layout of a benchmark ({layout})."
    )
