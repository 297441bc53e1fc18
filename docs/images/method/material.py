"""What the pictures of docs/method.md show, taken from a run of the demo by the package's own code.

Legend: S segments, V views of a video, H W pixels, B videos of a batch, K queue rows, F backbone features.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import vclr_pl
from vclr_pl.data.samples import SegmentDraw, draw_segments
from vclr_pl.data.transform.fused_color import BLUR_SIGMA, FLIP, GRAY
from vclr_pl.data.video_dataset import random_generator
from vclr_pl.evaluation.neighbor_search import nearest_neighbors
from vclr_pl.op.contrast import unit_norm
from vclr_pl.types import Contrast, SegmentViews

EPOCH = 0
BATCH = 32
FRAME_OF_A_NEIGHBOR = (2, 7, 12)  # one frame of each third of the demo's 15


@dataclass(frozen=True)
class Sample:
    """A video, its frames uint8 `[15, 3, H, W]`, the draw of its sample, and its views uint8 `[V, 3, H, W]` as the network gets them."""

    frames: Tensor
    draw: SegmentDraw
    views: Tensor


@dataclass(frozen=True)
class Augmented:
    """A view of a frame: uint8 `[3, H, W]`, the window (top, left, height, width) that was cropped, and the operations in words."""

    view: Tensor
    window: tuple[int, int, int, int]
    operations: str


@dataclass(frozen=True)
class Similarities:
    """Cosine similarities of one query of a term: to its positives, to the rows of the queue (empty without), to other frames."""

    positives: list[float]
    queue: list[float]


@dataclass(frozen=True)
class Result:
    """A video in the evaluation: three frames, class, feature `[F]`, cosine similarity to the query."""

    frames: Tensor
    class_name: str
    feature: Tensor
    similarity: float


class DemoRun:
    """A finished run of `python -m vclr_pl.train experiment=demo`."""

    def __init__(self, *, folder: Path, root: Path) -> None:
        self.folder = folder
        self.data: Any = vclr_pl.published_data(experiment="demo", root=str(root))
        self.module: Any = vclr_pl.published_module(experiment="demo", **{"data.root": str(root)})
        state = torch.load(folder / "checkpoints" / "last.ckpt", map_location="cpu", weights_only=False)
        self.module.load_state_dict(state["state_dict"])

    def pixels(self, normalized: Tensor) -> Tensor:
        """Normalized frames `[..., 3, H, W]` as uint8."""
        normalization = self.data.color_augmentation
        mean, std = (torch.tensor(values)[:, None, None] for values in (normalization.mean, normalization.std))
        return ((normalized * std + mean).clamp(0, 1) * 255).round().to(torch.uint8)

    def frames(self, path: str) -> Tensor:
        """All frames of a video, uint8 `[T, 3, H, W]`."""
        with self.data.decoding.open(path) as video:
            return video.frames(list(range(video.frame_count)))

    def batch(self, first: int) -> SegmentViews:
        """A training batch that starts with video `first`."""
        dataset = self.data.training_dataset()
        videos = [(first + 13 * place) % len(dataset) for place in range(BATCH)]  # 13: of all classes
        return self.data.on_after_batch_transfer(self.data.collate([dataset[EPOCH, video] for video in videos]), 0)

    def sample(self, batch: SegmentViews) -> Sample:
        """The first sample of a batch."""
        video = int(batch.video_index[0])
        frames = self.frames(self.data.manifest("train").path(video))
        generator = random_generator(seed=self.data.seed, epoch=EPOCH, video=video, attempt=0, purpose=0)
        draw = draw_segments(frame_count=len(frames), sampling=self.data.sampling, generator=generator)
        return Sample(frames=frames, draw=draw, views=self.pixels(batch.views[0]))

    def augmented(self, frame: Tensor, *, views: int, seed: int) -> list[Augmented]:
        """Views of one frame, as the transform of training makes them."""
        augmentation, transform = self.data.color_augmentation, self.data.transform
        height, width, draws = frame.shape[-2], frame.shape[-1], range(seed, seed + views)
        windows = [transform.draw_crop(height=height, width=width, generator=np.random.default_rng(draw)) for draw in draws]
        cropped = torch.stack([transform.crop(frame, np.random.default_rng(draw)) for draw in draws])
        parameters = augmentation.draw(views, np.random.default_rng(seed))
        shown = self.pixels(augmentation.apply(cropped, parameters))
        return [Augmented(view=shown[place], window=windows[place], operations=_words(parameters[place])) for place in range(views)]

    @torch.no_grad()
    def contrasts(self, batch: SegmentViews) -> dict[str, Contrast]:
        """Queries, keys and queues of each head for a batch, as in a training step."""
        self.module.train()
        keys = self.module.project_keys(self.module.encode_keys(batch))
        queries = self.module.project_queries(self.module.encode_queries(batch))
        return dict(self.module.contrasts(queries, keys, batch).by_head)

    def results(self, *, query: int, neighbors: int) -> list[Result]:
        """A test video, the training videos with the most similar features, and the one with the least similar."""
        encoder = vclr_pl.load_encoder(str(self.folder))
        gallery, test = self.data.manifest("train"), self.data.manifest("test")
        features = torch.cat([self._feature(encoder, gallery.path(video)) for video in range(len(gallery))])
        own = self._feature(encoder, test.path(query))
        found = nearest_neighbors(gallery_GF=features, query_QF=own, neighbors=len(gallery))
        rows = [(test, query, own[0], 1.0)]
        for place in (*range(neighbors), -1):
            row = int(found.index[0, place])
            rows.append((gallery, row, features[row], float(found.similarity[0, place])))
        return [
            Result(
                frames=self.frames(manifest.path(video))[list(FRAME_OF_A_NEIGHBOR)],
                class_name=Path(manifest.path(video)).parent.name,
                feature=unit_norm(feature),
                similarity=cosine,
            )
            for manifest, video, feature, cosine in rows
        ]

    @torch.no_grad()
    def _feature(self, encoder: Any, path: str) -> Tensor:
        feature: Tensor = encoder(encoder.transform(self.frames(path)[None]))
        return feature


def similarities(contrast: Contrast, *, video: int) -> Similarities:
    """Of one video's query."""
    keys = contrast.key if contrast.key.dim() == 3 else contrast.key.unsqueeze(0)
    queue = [] if contrast.queue is None else (contrast.queue @ contrast.query[video]).tolist()
    return Similarities(positives=(keys[:, video] @ contrast.query[video]).tolist(), queue=queue)


def curves(run: Path, *columns: str) -> list[list[tuple[int, float]]]:
    """(step, value) of columns of metrics.csv."""
    with (run / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    return [[(int(row["step"]) + 1, float(row[column])) for row in rows if row.get(column)] for column in columns]


def _words(parameters: Tensor) -> str:
    found = [(GRAY, "gray"), (BLUR_SIGMA, "blurred"), (FLIP, "mirrored")]
    return ", ".join(word for column, word in found if parameters[column] > 0) or "new colors"
