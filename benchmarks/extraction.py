"""Whether extraction keeps up with reading: features of whole videos by a tiny network, against the batches alone, in one run.

    python benchmarks/extraction.py                                    # about two minutes, on videos that it makes itself
    python benchmarks/extraction.py --output results.json
    python benchmarks/extraction.py --scale 0.1 --videos 8 --rounds 1   # does it run?

A video is 30 frames, center crop of 224 pixels. `batches` is the rate at which a loader of as many workers gives normalized batches and
nothing else is done; `extraction` is the whole of `Embedder.embed`, from an empty folder to features.npy and videos.csv. Each round does
both, one after the other; figures are medians over rounds, ratios are taken within rounds, and time is the clock's.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import statistics
import tempfile
import time
import warnings
from pathlib import Path

import footage
import pytorch_lightning as lightning
import torch
from input_pipeline import machine

from vclr_pl.backbone.resnet import SmallResNet
from vclr_pl.datasets.manifest import Manifest
from vclr_pl.features.encoder import EvaluationProtocol, FrozenEncoder
from vclr_pl.features.extraction import Embedder
from vclr_pl.features.video_reading import ReadingOptions, VideoReading
from vclr_pl.video.choice import AutoDecoder
from vclr_pl.video.isolated import IsolatedDecoder

DECODING = IsolatedDecoder(decoder=AutoDecoder(threads=1, short_side_pixels=None), decode_timeout_seconds=60)
READING = ReadingOptions(videos_per_batch=4, workers=None, prefetch_batches=2)  # conf/evaluate.yaml's


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=64, help="read a round; eight files take turns")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="of the videos' length")
    parser.add_argument("--output", type=Path, help="a JSON file for the figures")
    arguments = parser.parse_args()
    for name in ("pytorch_lightning", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    with tempfile.TemporaryDirectory(prefix="extraction_") as temporary:
        made = footage.make(Path(temporary) / "videos", footage.H264, videos=min(8, arguments.videos), scale=arguments.scale, jpegs=False)
        record = {"machine": machine(), "videos a round": arguments.videos}
        for name, files in (("H.264", made.raw), ("its copy", made.reencoded)):
            record[name] = compare(files, arguments, folder=Path(temporary))
            print(name, json.dumps(record[name]), flush=True)
    if arguments.output:
        arguments.output.write_text(json.dumps(record, indent=1) + "\n")


def compare(files: list[Path], arguments: argparse.Namespace, *, folder: Path) -> dict[str, float]:
    """Videos per second of both, and their ratio."""
    manifest = Manifest.from_pairs([(str(files[number % len(files)]), None) for number in range(arguments.videos)])
    encoder = tiny_encoder()
    rates: dict[str, list[float]] = {"batches": [], "extraction": []}
    for number in range(arguments.rounds):
        rates["batches"].append(arguments.videos / seconds_of_batches(manifest, encoder))
        cache = folder / f"features_{files[0].parent.name}_{number}"
        rates["extraction"].append(arguments.videos / seconds_of_extraction(manifest, encoder, cache=cache))
    ratio = statistics.median(own / limit for own, limit in zip(rates["extraction"], rates["batches"], strict=True))
    return {f"{name}, videos/s": round(statistics.median(found), 2) for name, found in rates.items()} | {"ratio": round(ratio, 3)}


def tiny_encoder() -> FrozenEncoder:
    unsaid = dict.fromkeys(("crop_pixels", "short_side_pixels", "mean", "std", "frames_per_clip", "frame_stride"))
    protocol = EvaluationProtocol(frames=30, **unsaid)
    return protocol.load("random", momentum=False, backbone=SmallResNet(widths=[8, 8], stem_stride=4))


def seconds_of_batches(manifest: Manifest, encoder: FrozenEncoder) -> float:
    started = time.perf_counter()
    reading = VideoReading(manifest=manifest, encoder=encoder, decoding=DECODING, options=READING)
    for batch in reading.batches(range(len(manifest)), rank=0, ranks=1, pin_memory=False):
        for frames in batch.frames:
            encoder.view.normalize(frames)
    return time.perf_counter() - started


def seconds_of_extraction(manifest: Manifest, encoder: FrozenEncoder, *, cache: Path) -> float:
    trainer = lightning.Trainer(
        accelerator="cpu", devices=1, logger=False, enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False
    )
    started = time.perf_counter()
    embedder = Embedder(decoding=DECODING, loader=READING, cache=os.fspath(cache), frames_per_pass=64)
    done = embedder.embed(manifest, encoder=encoder, trainer=trainer)
    seconds = time.perf_counter() - started
    assert done.is_complete
    return seconds


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
