"""Where a video's snippets are, and their features at a fixed number of positions.

Legend: N snippets of a video, D features, T positions.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Features = npt.NDArray[np.float32]
MARGIN = 1e-4  # the release keeps off the first and last snippet by it, where its interpolation would end


def snippet_centers(*, frame_count: int, snippet_frames: int) -> list[int]:
    """The center frame of every `snippet_frames` frames: n/2, n/2 + n, ...; the middle one of a video too short for that.

    The published features (mmaction2's untrimmed sampling) stand at 8, 24, 40, ... for n = 16.
    """
    centers = list(range(snippet_frames // 2, frame_count, snippet_frames))
    return centers or [frame_count // 2]


def resample(features_ND: Features, *, positions: int, points_per_position: int) -> Features:
    """`[T, D]`: T equal bins from the first to the last snippet, each the mean of `points_per_position` linear interpolations.

    As mmaction2's `pool_feature` (published: 100 positions, 3 points at the first two thirds of a bin). One snippet is repeated.
    """
    snippets = len(features_ND)
    if snippets == 1:
        return np.repeat(features_ND, positions, axis=0)
    first, last = MARGIN, snippets - 1 - MARGIN
    width = (last - first) / positions
    place = first + width * (np.arange(positions)[:, None] + np.arange(points_per_position) / points_per_position)
    below = np.minimum(place.astype(np.int64), snippets - 2)
    share = (place - below)[..., None]
    values_ND = features_ND.astype(np.float64)
    points = values_ND[below] * (1.0 - share) + values_ND[below + 1] * share
    pooled: Features = points.mean(axis=1).astype(np.float32)
    return pooled


def covered_seconds(*, duration_seconds: float, frames: int | None, snippet_frames: int) -> float:
    """How much of a video its snippets cover: whole snippets only, frames // n x n of the frames (published n: 16).

    A video shorter than a snippet, or of unknown length in frames, counts whole.
    """
    if frames is None or frames < snippet_frames:
        return duration_seconds
    return float(frames // snippet_frames * snippet_frames) / frames * duration_seconds
