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


def test_two_segments_are_shown_in_time_or_in_reverse():
    generator = np.random.default_rng(0)
    drawn = [draw_frame_order(segments=2, generator=generator) for _ in range(400)]
    for order in drawn:
        assert order.query.tolist() == ([1, 0] if order.label in (1, 3) else [0, 1])
        assert order.key.tolist() == ([1, 0] if order.label in (2, 3) else [0, 1])
    counts = Counter(order.label for order in drawn)
    assert all(abs(counts[label] - 100) < 40 for label in range(4))


def test_three_segments_are_drawn_as_before_other_numbers_were():
    """Computed at commit d56ee33: samples of three segments stay the same bit for bit, the generator's later draws included."""
    generator = np.random.default_rng(7)
    orders = [draw_frame_order(segments=3, generator=generator) for _ in range(6)]
    assert [(order.query.tolist(), order.key.tolist(), order.label) for order in orders] == [
        ([2, 0, 1], [0, 2, 1], 3),
        ([0, 1, 2], [1, 2, 0], 2),
        ([0, 1, 2], [0, 2, 1], 2),
        ([2, 0, 1], [0, 1, 2], 1),
        ([0, 2, 1], [0, 1, 2], 1),
        ([1, 0, 2], [0, 2, 1], 3),
    ]
    assert generator.integers(10**6) == 845087
