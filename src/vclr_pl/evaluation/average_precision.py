"""Mean average precision of a retrieval, over whole galleries, in bounded memory.

Legend: G gallery rows, Q query rows, q queries of a block.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vclr_pl.evaluation.neighbor_search import EXCLUDED, cosine_keys
from vclr_pl.types import FeatureTable

KEYS_PER_BLOCK = 8_000_000  # 64 MB


def average_precision(*, gallery: FeatureTable, query: FeatureTable | None) -> Tensor:
    """`[Q]` float64: for each query the mean, over the gallery videos of its class, of the precision at their rank.

    The whole gallery is ranked, equal similarities in its order; without queries each gallery video ranks the others. A query
    whose class the gallery lacks has 0.
    """
    asking = gallery if query is None else query
    queries_per_block = max(1, KEYS_PER_BLOCK // max(1, len(gallery)))
    parts = []
    for start in range(0, len(asking), queries_per_block):
        end = min(start + queries_per_block, len(asking))
        own_q = torch.arange(start, end) if query is None else None
        key_qG = cosine_keys(gallery_GF=gallery.features, query_qF=asking.features[start:end], own_q=own_q)
        right_qG = gallery.label == asking.label[start:end, None]
        if own_q is not None:
            right_qG &= key_qG != EXCLUDED
        parts.append(_of_block(key_qG, right_qG))
    return torch.cat(parts)


def _of_block(key_qG: Tensor, right_qG: Tensor) -> Tensor:
    ranked_qG = right_qG.gather(1, key_qG.argsort(dim=1, descending=True)).double()
    rank_G = torch.arange(1, key_qG.shape[1] + 1, dtype=torch.float64)
    precision_qG = ranked_qG.cumsum(dim=1) / rank_G
    return (precision_qG * ranked_qG).sum(dim=1) / ranked_qG.sum(dim=1).clamp(min=1)
