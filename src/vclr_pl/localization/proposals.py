"""Make proposals from probabilities: candidates between likely boundaries, filtered by Gaussian soft-NMS.

Legend: T positions, D durations and S starts (both T), P candidates; times are fractions of the video.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class VideoPrediction:
    """The network's output for one video."""

    regression: Numbers  # [D, S]
    classification: Numbers  # [D, S]
    start: Numbers  # [T]
    end: Numbers  # [T]


@dataclass(frozen=True)
class Proposal:
    """A segment of a video, in seconds. Lists are sorted by score, best first."""

    start_seconds: float
    end_seconds: float
    score: float


class ProposalMaker:
    """Proposal generation of Lin et al. 2019 (BMN), section 3.5, as in mmaction2.

    Args:
        likely_fraction: a position is a candidate boundary if it is a local maximum or above this fraction of the maximum (0.5).
        alpha: parameter of the Gaussian (0.4): a score decays by exp(-tIoU^2 / alpha).
        low_threshold, high_threshold: scores decay if tIoU > low + (high - low) * width of the better proposal (0.5, 0.9).
        maximum_proposals: proposals kept for a video (100).
    """

    def __init__(
        self, *, likely_fraction: float, alpha: float, low_threshold: float, high_threshold: float, maximum_proposals: int
    ) -> None:
        self.likely_fraction, self.alpha = likely_fraction, alpha
        self.low_threshold, self.high_threshold, self.maximum_proposals = low_threshold, high_threshold, maximum_proposals

    def proposals(self, prediction: VideoPrediction, *, duration_seconds: float) -> list[Proposal]:
        """At most `maximum_proposals` proposals, best first.

        Args:
            duration_seconds: duration covered by the positions: `covered_seconds` of the snippets.
        """
        found_P3 = candidates(prediction, likely_fraction=self.likely_fraction)
        if len(found_P3) > 1:
            found_P3 = soft_nms(
                found_P3,
                alpha=self.alpha,
                low_threshold=self.low_threshold,
                high_threshold=self.high_threshold,
                rounds=self.maximum_proposals
                + 1,  # one more than is kept, because the score of the last may have decayed below an earlier one
            )
        best_P3 = found_P3[np.argsort(-found_P3[:, 2], kind="stable")][: self.maximum_proposals]
        return [
            Proposal(start_seconds=max(0.0, start) * duration_seconds, end_seconds=min(1.0, end) * duration_seconds, score=score)
            for start, end, score in best_P3.tolist()
        ]


def candidates(prediction: VideoPrediction, *, likely_fraction: float) -> Numbers:
    """`[P, 3]` start, end and score (start x end x classification x regression) of every pair of likely boundaries.

    Position e is the time e / T, so the segment of duration index d and start s ends at position s + d + 1, which
    must exist.
    """
    positions = len(prediction.start)
    starts = _likely(prediction.start, likely_fraction=likely_fraction)
    ends = _likely(prediction.end, likely_fraction=likely_fraction)
    starts[0], ends[-1] = True, True
    duration_P, start_P = np.nonzero(np.add.outer(np.arange(1, positions + 1), np.arange(positions)) < positions)
    end_P = start_P + duration_P + 1
    wanted = starts[start_P] & ends[end_P]
    duration_P, start_P, end_P = duration_P[wanted], start_P[wanted], end_P[wanted]
    boundary_P = prediction.start[start_P] * prediction.end[end_P]
    score_P = boundary_P * prediction.classification[duration_P, start_P] * prediction.regression[duration_P, start_P]
    return np.stack([start_P / positions, end_P / positions, score_P], axis=1)


def soft_nms(proposals_P3: Numbers, *, alpha: float, low_threshold: float, high_threshold: float, rounds: int) -> Numbers:
    """`[at most rounds, 3]`: each round selects the best remaining proposal and reduces the scores of those with high overlap.

    Bodla et al. 2017, with a threshold that increases with the width of the selected proposal.
    """
    start_P, end_P, score_P = np.ascontiguousarray(proposals_P3[np.argsort(-proposals_P3[:, 2], kind="stable")].T)
    taken = np.empty((min(rounds, len(start_P)), 3))
    for row in range(len(taken)):
        best = int(score_P.argmax())
        taken[row] = start_P[best], end_P[best], score_P[best]
        common_P = np.minimum(end_P, end_P[best])
        common_P -= np.maximum(start_P, start_P[best])
        np.maximum(common_P, 0.0, out=common_P)
        width = end_P[best] - start_P[best]
        # in the published order of operations: tIoUs of whole positions often equal the threshold, so the last bit matters
        tiou_P = common_P / (width - common_P + end_P - start_P)
        close = np.flatnonzero(tiou_P > low_threshold + (high_threshold - low_threshold) * width)
        score_P[close] *= np.exp(-np.square(tiou_P[close]) / alpha)
        score_P[best] = -np.inf
    return taken


def _likely(probability_T: Numbers, *, likely_fraction: float) -> npt.NDArray[np.bool_]:
    inner = probability_T[1:-1]
    is_candidate = np.zeros(len(probability_T), bool)
    peaks = (inner > probability_T[2:]) & (inner > probability_T[:-2])
    is_candidate[1:-1] = peaks | (inner > likely_fraction * probability_T.max())
    return is_candidate
