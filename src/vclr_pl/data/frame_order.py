"""The temporal order pretext task: tuples of segments, some of them shuffled (VCLR, section 3.3).

Legend: S segments.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class FrameOrder:
    """How the two tuples are shown: place s shows segment `query[s]`. `label` = query shuffled + 2 x key shuffled."""

    query: npt.NDArray[np.int64]  # [S]
    key: npt.NDArray[np.int64]  # [S]
    label: int


def draw_shuffle(*, segments: int, generator: np.random.Generator) -> npt.NDArray[np.int64]:
    """A permutation `[S]` that is neither the identity nor the reversal, uniform over the others (4 of 6 for three segments).

    Two segments have no such permutation: the identity is returned.
    """
    identity = np.arange(segments, dtype=np.int64)
    if segments < 3:
        return identity
    while True:
        order = generator.permutation(segments).astype(np.int64)
        if not (np.array_equal(order, identity) or np.array_equal(order, identity[::-1])):
            return order


def draw_frame_order(*, segments: int, generator: np.random.Generator) -> FrameOrder:
    """Each tuple, query's and key's, is shuffled with probability 1/2. With two segments neither ever is and the label is 0."""
    shuffled = [bool(coin) and segments > 2 for coin in generator.integers(2, size=2)]
    query, key = (
        draw_shuffle(segments=segments, generator=generator) if coin else np.arange(segments, dtype=np.int64) for coin in shuffled
    )
    return FrameOrder(query=query, key=key, label=int(shuffled[0]) + 2 * int(shuffled[1]))
