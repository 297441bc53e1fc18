"""Does the input pipeline leak? Many samples over a few workers: resident memory and open files of all its processes, as they grow.

    python benchmarks/soak.py                                   # 20,000 samples over 2 workers, of videos that it makes itself
    python benchmarks/soak.py --root DIR --samples 2000 --json benchmarks/results/soak_<hardware>_<yyyymm>.json

One video in sixteen is broken, so that replacement is soaked too. Exits with 1 where memory grew by 5% or more after the first tenth, or
where a file stays open: in the second half more than in the first (batches on their way hold a few), or when all is over.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import av
import numpy as np

from vclr_pl.data.datamodule import LoaderOptions, VideoDataModule
from vclr_pl.data.sampling import SegmentClipSampler
from vclr_pl.data.transform.color_augmentation import ColorAugmentation
from vclr_pl.data.transform.crop import ContrastiveTransform
from vclr_pl.data.transform.evaluation_view import EvaluationView
from vclr_pl.datasets.folder import folder
from vclr_pl.video.choice import AutoDecoder

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
MOST_GROWTH = 0.05
READINGS = 20
FILES_ON_THEIR_WAY = 16  # two batches of eight tensors each


@dataclass(frozen=True)
class Reading:
    """All processes of the pipeline after `samples`: proportional memory (shared pages counted once) and open files."""

    samples: int
    seconds: float
    memory_megabytes: float
    open_files: int
    processes: int


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, help="a folder of videos; without it they are made")
    parser.add_argument("--samples", type=int, default=20_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--size-pixels", type=int, default=112)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak_") as temporary:
        root = arguments.root or make_videos(Path(temporary), videos=64)
        reading(0, 0.0)  # what the first reading itself opens
        before = reading(0, 0.0)
        readings = soak(
            root,
            samples=arguments.samples,
            workers=arguments.workers,
            batch_size=arguments.batch_size,
            size_pixels=arguments.size_pixels,
        )
        left_open = reading(arguments.samples, 0.0).open_files - before.open_files
    settled = next(reading for reading in readings if reading.samples >= arguments.samples // 10)
    growth = readings[-1].memory_megabytes / settled.memory_megabytes - 1
    halves = [max(reading.open_files for reading in half) for half in (readings[: READINGS // 2], readings[READINGS // 2 :])]
    print(f"memory after {settled.samples} samples: {growth:+.1%}; most files open in each half: {halves}; left open: {left_open}")
    if arguments.json:
        record = {"workers": arguments.workers, "growth": growth, "most_open_files": halves, "left_open": left_open}
        arguments.json.write_text(json.dumps(record | {"readings": [asdict(reading) for reading in readings]}, indent=1) + "\n")
    return int(growth >= MOST_GROWTH or left_open > 0 or halves[1] - halves[0] > FILES_ON_THEIR_WAY)


def soak(root: Path, *, samples: int, workers: int, batch_size: int, size_pixels: int) -> list[Reading]:
    """Reads `samples` samples, epoch after epoch."""
    loader = pipeline(folder(root=root), workers=workers, batch_size=batch_size, size_pixels=size_pixels).train_dataloader()
    readings: list[Reading] = []
    started, passed, epoch = time.perf_counter(), 0, 0
    print(f"{'samples':>8} {'seconds':>8} {'MB':>8} {'files':>6} {'processes':>9}")
    while passed < samples:
        loader.sampler.set_epoch(epoch)
        for batch in loader:
            passed += len(batch)
            if passed >= samples * (len(readings) + 1) / READINGS:
                readings.append(reading(passed, time.perf_counter() - started))
                last = readings[-1]
                print(f"{passed:8d} {last.seconds:8.1f} {last.memory_megabytes:8.1f} {last.open_files:6d} {last.processes:9d}", flush=True)
        epoch += 1
    return readings


def pipeline(splits: object, *, workers: int, batch_size: int, size_pixels: int) -> VideoDataModule:
    """The published sampling and augmentation."""
    return VideoDataModule(
        splits=splits,
        sampling=SegmentClipSampler(segments=3, frames_per_clip=1, frame_stride=1),
        decoding=AutoDecoder(threads=1, short_side_pixels=None),
        transform=ContrastiveTransform(size_pixels=size_pixels, scale=(0.2, 1.0), ratio=(3 / 4, 4 / 3)),
        color_augmentation=ColorAugmentation(
            brightness=0.4,
            contrast=0.4,
            saturation=0.4,
            hue=0.1,
            jitter_probability=0.8,
            gray_probability=0.2,
            blur_sigma_pixels=(0.1, 2.0),
            blur_probability=0.5,
            flip_probability=0.5,
            mean=MEAN,
            std=STD,
        ),
        evaluation_view=EvaluationView(frames=30, crop_pixels=size_pixels, short_side_pixels=None, mean=MEAN, std=STD),
        loader=LoaderOptions(batch_size=batch_size, evaluation_batch_size=1, workers=workers, max_broken_fraction=1.0),
        seed=0,
    )


def reading(samples: int, seconds: float) -> Reading:
    processes = [os.getpid(), *children(os.getpid())]
    return Reading(
        samples=samples,
        seconds=seconds,
        memory_megabytes=sum(map(proportional_megabytes, processes)),
        open_files=sum(len(list(Path(f"/proc/{process}/fd").iterdir())) for process in processes),
        processes=len(processes),
    )


def children(process: int) -> list[int]:
    """All descendants."""
    own = []
    for task in Path(f"/proc/{process}/task").iterdir():
        with contextlib.suppress(FileNotFoundError):  # a thread that has ended meanwhile
            own += [int(child) for child in (task / "children").read_text().split()]
    return [descendant for child in own for descendant in (child, *children(child))]


def proportional_megabytes(process: int) -> float:
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def make_videos(folder_of_videos: Path, *, videos: int) -> Path:
    """H.264, 160 x 120, 30 frames of a moving ramp, under `videos` names; every sixteenth is no video."""
    first = folder_of_videos / "0.mp4"
    ramp = np.broadcast_to((np.arange(220) % 256).astype(np.uint8)[None, :, None], (120, 220, 3))
    with av.open(str(first), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"preset": "veryfast", "crf": "30"})
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for number in range(30):
            container.mux(
                stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(ramp[:, 2 * number : 2 * number + 160]), format="rgb24"))
            )
        container.mux(stream.encode())
    for number in range(1, videos):
        target = folder_of_videos / f"{number}.mp4"
        target.write_text("no video") if number % 16 == 15 else shutil.copy(first, target)
    return folder_of_videos


if __name__ == "__main__":
    sys.exit(main())
