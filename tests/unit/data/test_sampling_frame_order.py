"""The order task's draws: which permutations, how often, and their label."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from vclr_pl.data.sampling import draw_frame_order, draw_shuffle


def test_three_segments_have_four_shuffles():
    generator = np.random.default_rng(0)
    counts = Counter(tuple(draw_shuffle(segments=3, generator=generator).tolist()) for _ in range(4000))
    assert set(counts) == {(0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1)}
    assert all(abs(count - 1000) < 120 for count in counts.values())


@pytest.mark.parametrize("segments", [4, 5])
def test_more_segments_are_never_identity_nor_reversal(segments):
    generator = np.random.default_rng(0)
    drawn = {tuple(draw_shuffle(segments=segments, generator=generator).tolist()) for _ in range(4000)}
    straight = tuple(range(segments))
    assert drawn.isdisjoint({straight, straight[::-1]})
    assert len(drawn) == {4: 22, 5: 118}[segments]


def test_each_tuple_is_shuffled_half_the_time_and_the_label_says_which():
    generator = np.random.default_rng(0)
    drawn = [draw_frame_order(segments=3, generator=generator) for _ in range(4000)]
    for order in drawn:
        assert order.label == int(order.query.tolist() != [0, 1, 2]) + 2 * int(order.key.tolist() != [0, 1, 2])
    counts = Counter(order.label for order in drawn)
    assert set(counts) == {0, 1, 2, 3}
    assert all(abs(count - 1000) < 120 for count in counts.values())


def test_two_segments_are_never_shuffled():
    generator = np.random.default_rng(0)
    for _ in range(20):
        order = draw_frame_order(segments=2, generator=generator)
        assert (order.query.tolist(), order.key.tolist(), order.label) == ([0, 1], [0, 1], 0)
