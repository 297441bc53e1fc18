"""Against a loop over all pairs and views, whatever the blocks."""

from __future__ import annotations

import math
from itertools import combinations

import pytest
import torch

from vclr_pl.evaluation import near_duplicates as module
from vclr_pl.evaluation.near_duplicates import CopySimilarity, near_duplicates
from vclr_pl.types import InputError


def videos(count: int, *, views: int = 3) -> torch.Tensor:
    features = torch.randn(count, views, 4, generator=torch.Generator().manual_seed(0)) + 3
    features[9, 2] = features[3, 0]  # 3 is a crop of 9
    features[17] = features[3]
    return features


def slowly(features: torch.Tensor, one: int, other: int) -> float:
    """The highest cosine of the whole frames of one and any view of the other, with centered features."""
    count = len(features)
    center = [sum(features[row, 0, place].item() for row in range(count)) / (count + 10) for place in range(features.shape[2])]

    def cosine(first: torch.Tensor, second: torch.Tensor) -> float:
        a, b = ([value - mean for value, mean in zip(each.tolist(), center, strict=True)] for each in (first, second))
        return sum(x * y for x, y in zip(a, b, strict=True)) / math.hypot(*a) / math.hypot(*b)

    directions = ((one, other), (other, one))
    return max(cosine(features[whole, 0], view) for whole, part in directions for view in features[part])


@pytest.mark.parametrize("rows_per_block", [1024, 1, 4, 7])
@pytest.mark.parametrize("maximum_pairs", [1000, 5])
def test_equals_a_loop(monkeypatch: pytest.MonkeyPatch, rows_per_block: int, maximum_pairs: int) -> None:
    monkeypatch.setattr(module, "ROWS_PER_BLOCK", rows_per_block)
    features = videos(20)
    expected = {(a, b): round(slowly(features, a, b), 9) for a, b in combinations(range(20), 2)}
    ranked = sorted((pair for pair, value in expected.items() if value >= 0.8), key=lambda pair: (-expected[pair], pair))
    similarity = CopySimilarity(features)
    found = near_duplicates(similarity, minimum_similarity=0.8, maximum_pairs=maximum_pairs)
    assert [tuple(pair) for pair in found.rows.tolist()] == ranked[:maximum_pairs]
    assert found.rows[:3].tolist() == [[3, 9], [3, 17], [9, 17]]
    assert found.found == len(ranked) > 5
    assert set(found.near.nonzero().flatten().tolist()) == {row for pair in ranked for row in pair}  # of pairs past the limit too
    assert found.similarity.tolist() == pytest.approx([expected[pair] for pair in ranked[:maximum_pairs]])
    nearest = [max(value for pair, value in expected.items() if row in pair) for row in range(20)]
    assert similarity.nearest().tolist() == pytest.approx(nearest)
    first, second = torch.tensor(ranked).T
    assert similarity.of_rows(second, first).tolist() == pytest.approx([expected[pair] for pair in ranked])


def test_a_copy_is_compared_with_every_view() -> None:
    similarity = CopySimilarity(videos(20))
    features = videos(20)
    assert similarity.of_copies(features[[4, 6, 7], [0, 1, 2]], torch.tensor([4, 6, 7])).tolist() == pytest.approx([1.0] * 3)


@pytest.mark.parametrize("count", [1, 2])
def test_few_videos(count: int) -> None:
    similarity = CopySimilarity(torch.ones(count, 2, 3))
    assert similarity.nearest().tolist() == pytest.approx([-1.0] if count == 1 else [1.0, 1.0])
    assert near_duplicates(similarity, minimum_similarity=0.5, maximum_pairs=3).found == count - 1


def test_nothing_near_and_a_wrong_limit() -> None:
    similarity = CopySimilarity(torch.eye(3)[:, None])
    found = near_duplicates(similarity, minimum_similarity=0.5, maximum_pairs=3)
    assert (found.found, found.rows.tolist(), found.similarity.tolist()) == (0, [], [])
    with pytest.raises(InputError, match="minimum_similarity"):
        near_duplicates(similarity, minimum_similarity=1.5, maximum_pairs=3)
