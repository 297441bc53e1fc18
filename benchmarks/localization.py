"""Inference of one video, network and soft-NMS, against a version in plain loops and in the published order: time, and that both agree.

    python benchmarks/localization.py --output benchmarks/results/localization_2xepyc_202611.json

The plain version samples every cell with the dense mask (128 MB, made beforehand) into 256 x 32 x 100 x 100 numbers before its
three-dimensional convolution, and finds candidates and thins them in Python loops over positions and proposals. Both use the same
weights. They run in turns; figures are medians over the rounds.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vclr_pl.files import available_cores
from vclr_pl.localization.bmn import BMN, BoundaryPrediction, sampling_mask
from vclr_pl.localization.proposals import ProposalMaker, VideoPrediction

ALPHA, LOW, HIGH, KEPT, LIKELY = 0.4, 0.5, 0.9, 100, 0.5


def plain_network(network: BMN, mask_TNDS: Tensor, features_BFT: Tensor) -> BoundaryPrediction:
    described = network.x_1d_b(features_BFT)
    features_BCT = network.x_1d_p(described)
    positions = mask_TNDS.shape[0]
    sampled = (features_BCT @ mask_TNDS.flatten(1)).reshape(*features_BCT.shape[:2], mask_TNDS.shape[1], positions, positions)
    confidence = network.x_2d_p(network.x_3d_p(sampled).squeeze(2))
    return BoundaryPrediction(
        regression=confidence[:, 0],
        classification=confidence[:, 1],
        start=network.x_1d_s(described).squeeze(1),
        end=network.x_1d_e(described).squeeze(1),
    )


def plain_proposals(prediction: VideoPrediction) -> list[tuple[float, float, float]]:
    """Candidates cell by cell, soft-NMS proposal by proposal."""
    start, end = prediction.start.tolist(), prediction.end.tolist()
    product = (prediction.classification * prediction.regression).tolist()
    positions = len(start)
    starts = [0, *(place for place in range(1, positions - 1) if likely(start, place))]
    ends = [*(place for place in range(1, positions - 1) if likely(end, place)), positions - 1]
    left = [[s / positions, e / positions, start[s] * end[e] * product[e - s - 1][s]] for s in starts for e in ends if e > s]
    taken: list[tuple[float, float, float]] = []
    while left and len(taken) <= KEPT:
        best = left.pop(max(range(len(left)), key=lambda place: left[place][2]))
        taken.append((best[0], best[1], best[2]))
        width = best[1] - best[0]
        for other in left:
            common = max(0.0, min(best[1], other[1]) - max(best[0], other[0]))
            tiou = common / (width - common + other[1] - other[0])
            if tiou > LOW + (HIGH - LOW) * width:
                other[2] *= math.exp(-(tiou**2) / ALPHA)
    return sorted(taken, key=lambda row: -row[2])[:KEPT]


def likely(values: list[float], place: int) -> bool:
    return (values[place] > values[place - 1] and values[place] > values[place + 1]) or values[place] > LIKELY * max(values)


def of_first(prediction: BoundaryPrediction) -> VideoPrediction:
    return VideoPrediction(*(part[0].double().numpy() for part in vars(prediction).values()))


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    found = work()
    return time.perf_counter() - started, found


@torch.no_grad()
def measure(*, rounds: int, positions: int, samples: int, hidden: tuple[int, int, int]) -> dict[str, Any]:
    torch.manual_seed(0)
    figures = {"positions": positions, "samples": samples, "points_per_sample": 3, "boundary_ratio": 0.5}
    network = BMN(feature_dim=200, hidden_1d=hidden[0], hidden_2d=hidden[1], hidden_3d=hidden[2], **figures).eval()  # type: ignore[arg-type]
    mask_TNDS = torch.from_numpy(sampling_mask(**figures).dense(samples=samples))  # type: ignore[arg-type]
    features = torch.randn(1, 200, positions)
    maker = ProposalMaker(likely_fraction=LIKELY, alpha=ALPHA, low_threshold=LOW, high_threshold=HIGH, maximum_proposals=KEPT)
    seconds: dict[str, list[float]] = {}
    difference = 0.0
    for turn in range(rounds + 1):  # the first is for warming up
        network_ours, ours = timed(lambda: network(features))
        network_plain, plain = timed(lambda: plain_network(network, mask_TNDS, features))
        shared = of_first(plain)
        nms_ours, mine = timed(lambda shared=shared: maker.proposals(shared, duration_seconds=1.0))
        nms_plain, theirs = timed(lambda shared=shared: plain_proposals(shared))
        difference = max(difference, float((ours.regression - plain.regression).abs().max()))
        np.testing.assert_allclose([one.score for one in mine], [row[2] for row in theirs], rtol=1e-9)
        if turn:
            for name, value in (
                ("network_ours", network_ours),
                ("network_plain", network_plain),
                ("soft_nms_ours", nms_ours),
                ("soft_nms_plain", nms_plain),
                ("video_ours", network_ours + nms_ours),
                ("video_plain", network_plain + nms_plain),
            ):
                seconds.setdefault(name, []).append(value)
    median = {name: round(statistics.median(values), 5) for name, values in seconds.items()}
    return {
        "median_seconds": median,
        "times_as_fast": {part: round(median[f"{part}_plain"] / median[f"{part}_ours"], 1) for part in ("network", "soft_nms", "video")},
        "largest_difference_of_probabilities": difference,
        "mask_numbers": len(network.matching.get_buffer("values")),
        "dense_mask_megabytes": round(mask_TNDS.numel() * 4 / 1e6),
        "rounds": rounds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--positions", type=int, default=100)
    parser.add_argument("--samples", type=int, default=32)
    parser.add_argument("--hidden", type=int, nargs=3, default=(256, 128, 512), help="channels of the 1d, 2d and 3d parts")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    found = measure(rounds=arguments.rounds, positions=arguments.positions, samples=arguments.samples, hidden=tuple(arguments.hidden))
    found["machine"] = {"processor": platform.machine(), "cores": available_cores(), "threads": arguments.threads}
    found["torch"] = torch.__version__
    found["options"] = {name: value for name, value in vars(arguments).items() if name not in ("output",)}
    text = json.dumps(found, indent=2)
    print(text)
    if arguments.output is not None:
        arguments.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
