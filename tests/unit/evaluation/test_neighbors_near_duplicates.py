"""Against a loop over all pairs, whatever the blocks."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch

from vclr_pl.evaluation import neighbors as module
from vclr_pl.evaluation.neighbors import near_duplicates
from vclr_pl.types import InputError


@pytest.mark.parametrize("rows_per_block", [2048, 1, 4, 7])
@pytest.mark.parametrize("maximum_pairs", [1000, 5])
def test_equals_a_loop(monkeypatch: pytest.MonkeyPatch, rows_per_block: int, maximum_pairs: int) -> None:
    monkeypatch.setattr(module, "ROWS_PER_BLOCK", rows_per_block)
    features = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    features[[3, 9, 17]] = torch.tensor([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [1.0, 2.0, 3.0]])
    unit = torch.nn.functional.normalize(features.double(), dim=1)
    cosine = {(a, b): round(float(unit[a] @ unit[b]), 9) for a, b in combinations(range(20), 2)}
    expected = sorted((pair for pair, value in cosine.items() if value >= 0.8), key=lambda pair: (-cosine[pair], pair))
    found = near_duplicates(features_GF=features, minimum_similarity=0.8, maximum_pairs=maximum_pairs)
    assert [tuple(pair) for pair in found.rows.tolist()] == expected[:maximum_pairs]
    assert found.rows[:3].tolist() == [[3, 9], [3, 17], [9, 17]]
    assert found.found == len(expected) > 5
    assert set(found.near.nonzero().flatten().tolist()) == {row for pair in expected for row in pair}  # of pairs past the limit too
    assert found.similarity.tolist() == pytest.approx([cosine[pair] for pair in expected[:maximum_pairs]])


def test_nothing_near_and_a_wrong_limit() -> None:
    found = near_duplicates(features_GF=torch.eye(3), minimum_similarity=0.5, maximum_pairs=3)
    assert (found.found, found.rows.tolist(), found.similarity.tolist()) == (0, [], [])
    with pytest.raises(InputError, match="minimum_similarity"):
        near_duplicates(features_GF=torch.eye(3), minimum_similarity=1.5, maximum_pairs=3)
