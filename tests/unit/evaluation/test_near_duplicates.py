"""Against a loop over all pairs and views, whatever the blocks."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from vclr_pl.evaluation import near_duplicates as module
from vclr_pl.evaluation.near_duplicates import CopySimilarity, near_duplicates
from vclr_pl.types import InputError


def videos(count: int, *, views: int = 3) -> torch.Tensor:
    features = torch.randn(count, views, 4, generator=torch.Generator().manual_seed(0)) + 3
    features[9, 2] = features[3, 0]  # 3 is a crop of 9
    features[17] = features[3]
    return features


def whitened(features: torch.Tensor) -> np.ndarray:
    """By scikit-learn's PCA of all views of all videos: each component over the root of its variance and a tenth of the mean variance."""
    every = features.flatten(0, 1).double().numpy()
    found = PCA().fit(every)
    variance = found.explained_variance_ * (len(every) - 1) / len(every)
    scale = np.sqrt(variance + variance.sum() / min(every.shape) / 10)
    return (found.transform(every) / scale).reshape(*features.shape[:2], -1)


def slowly(features: np.ndarray, one: int, other: int) -> float:
    """The highest cosine of the whole frames of one and any view of the other."""

    def cosine(first: np.ndarray, second: np.ndarray) -> float:
        return float(first @ second / np.linalg.norm(first) / np.linalg.norm(second))

    directions = ((one, other), (other, one))
    return max(cosine(features[whole, 0], view) for whole, part in directions for view in features[part])


@pytest.mark.parametrize("rows_per_block", [1024, 1, 4, 7])
@pytest.mark.parametrize("maximum_pairs", [1000, 5])
def test_equals_a_loop(monkeypatch: pytest.MonkeyPatch, rows_per_block: int, maximum_pairs: int) -> None:
    monkeypatch.setattr(module, "ROWS_PER_BLOCK", rows_per_block)
    features = videos(20)
    white = whitened(features)
    expected = {(a, b): round(slowly(white, a, b), 6) for a, b in combinations(range(20), 2)}
    ranked = sorted((pair for pair, value in expected.items() if value >= 0.7), key=lambda pair: (-expected[pair], pair))
    similarity = CopySimilarity(features)
    found = near_duplicates(similarity, minimum_similarity=0.7, maximum_pairs=maximum_pairs)
    assert [tuple(pair) for pair in found.rows.tolist()] == ranked[:maximum_pairs]
    assert found.rows[:3].tolist() == [[3, 9], [3, 17], [9, 17]]
    assert found.found == len(ranked) > 5
    assert set(found.near.nonzero().flatten().tolist()) == {row for pair in ranked for row in pair}  # of pairs past the limit too
    assert found.similarity.tolist() == pytest.approx([expected[pair] for pair in ranked[:maximum_pairs]], abs=2e-6)
    nearest = [max(value for pair, value in expected.items() if row in pair) for row in range(20)]
    assert similarity.nearest().tolist() == pytest.approx(nearest, abs=2e-6)
    first, second = torch.tensor(ranked).T
    assert similarity.of_rows(second, first).tolist() == pytest.approx([expected[pair] for pair in ranked], abs=2e-6)


def test_a_copy_is_compared_with_every_view() -> None:
    similarity = CopySimilarity(videos(20))
    features = videos(20)
    assert similarity.of_copies(features[[4, 6, 7], [0, 1, 2]], torch.tensor([4, 6, 7])).tolist() == pytest.approx([1.0] * 3)


@pytest.mark.parametrize("count", [1, 2])
def test_few_videos(count: int) -> None:
    similarity = CopySimilarity(torch.eye(3)[:2].repeat(count, 1, 1))
    assert similarity.nearest().tolist() == pytest.approx([-1.0] if count == 1 else [1.0, 1.0])
    assert near_duplicates(similarity, minimum_similarity=0.5, maximum_pairs=3).found == count - 1


def test_no_video_is_left() -> None:
    similarity = CopySimilarity(torch.empty(0, 2, 3))
    assert similarity.nearest().tolist() == []
    assert near_duplicates(similarity, minimum_similarity=0.5, maximum_pairs=3).found == 0


def test_nothing_near_and_a_wrong_limit() -> None:
    similarity = CopySimilarity(torch.eye(3)[:, None] + 5)
    found = near_duplicates(similarity, minimum_similarity=0.5, maximum_pairs=3)
    assert (found.found, found.rows.tolist(), found.similarity.tolist()) == (0, [], [])
    with pytest.raises(InputError, match="minimum_similarity"):
        near_duplicates(similarity, minimum_similarity=1.5, maximum_pairs=3)
