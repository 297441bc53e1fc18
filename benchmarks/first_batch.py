"""How long training waits for the first batch of an epoch, and for the others.

    python benchmarks/first_batch.py                                  # on videos that it makes itself, some minutes
    python benchmarks/first_batch.py --root DIR --batch-size 256      # on the videos below DIR

Lightning trains a stand-in for the network, whose step sleeps as a GPU computes: half as long again as the workers need for a batch, so
that only the beginning of an epoch can be late. Between two epochs it sleeps as long as a checkpoint and a reading take.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
import warnings
from pathlib import Path

import pytorch_lightning as lightning
import torch
from input_pipeline import machine
from soak import make_videos, pipeline
from torch import nn

from vclr_pl.datasets.video_scan import scan_videos


class Sleeper(lightning.LightningModule):
    """A network that computes elsewhere. `waits` has the seconds waited for each batch, by epoch."""

    def __init__(self, *, step_seconds: float, pause_seconds: float) -> None:
        super().__init__()
        self.step_seconds, self.pause_seconds = step_seconds, pause_seconds
        self.layer = nn.Linear(1, 1)
        self.waits: list[list[float]] = []
        self.started, self._waited = 0.0, 0.0

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)

    def on_train_epoch_start(self) -> None:
        self.waits.append([])
        self.started = time.perf_counter()

    def training_step(self, batch: object) -> torch.Tensor:
        del batch
        waited = self.trainer.train_dataloader.waiting_seconds
        self.waits[-1].append(waited - self._waited)
        self._waited = waited
        time.sleep(self.step_seconds)
        return self.layer(torch.ones(1, 1)).sum()

    def on_train_epoch_end(self) -> None:
        self.seconds = time.perf_counter() - self.started
        time.sleep(self.pause_seconds)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, help="a folder of videos; without it they are made")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batches", type=int, default=6, help="of an epoch")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--size-pixels", type=int, default=224)
    parser.add_argument("--pause-seconds", type=float, default=0.5, help="between two epochs")
    parser.add_argument("--step-seconds", type=float, help="without it, half as long again as the workers need for a batch")
    parser.add_argument("--output", type=Path, help="a JSON file for the figures")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message=".*logging interval")
    with tempfile.TemporaryDirectory(prefix="first_batch_") as temporary:
        root = arguments.root or make_videos(Path(temporary), videos=32)
        paths = [root / path for path in scan_videos(root)]
        wanted = arguments.batch_size * arguments.batches
        record = measure([(str(path), 0) for path in (paths * (wanted // len(paths) + 1))[:wanted]], arguments)
    print(json.dumps(record, indent=1))
    if arguments.output:
        arguments.output.write_text(json.dumps(record | {"machine": machine()}, indent=1) + "\n")
    return 0


def measure(videos: list[tuple[str, int]], arguments: argparse.Namespace) -> dict[str, float]:
    step_seconds = arguments.step_seconds
    if step_seconds is None:
        step_seconds = 1.5 * train(videos, arguments, epochs=1, step_seconds=0.0).seconds / arguments.batches
    waits = train(videos, arguments, epochs=arguments.epochs, step_seconds=step_seconds).waits
    return {
        "batch size": arguments.batch_size,
        "workers": arguments.workers,
        "seconds of a step": round(step_seconds, 3),
        "first batch of the run": round(waits[0][0], 3),
        "first batch of a later epoch, median": round(statistics.median(epoch[0] for epoch in waits[1:]), 3),
        "other batches, median": round(statistics.median(wait for epoch in waits[1:] for wait in epoch[1:]), 3),
        "load of the machine": round(os.getloadavg()[0], 1),
    }


def train(videos: list[tuple[str, int]], arguments: argparse.Namespace, *, epochs: int, step_seconds: float) -> Sleeper:
    module = Sleeper(step_seconds=step_seconds, pause_seconds=arguments.pause_seconds)
    data = pipeline(videos, workers=arguments.workers, batch_size=arguments.batch_size, size_pixels=arguments.size_pixels)
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = lightning.Trainer(max_epochs=epochs, accelerator="cpu", **quiet)
    data.on_after_batch_transfer = lambda batch, _: batch  # a GPU colors the views, not these cores
    trainer.fit(module, datamodule=data)
    return module


if __name__ == "__main__":
    sys.exit(main())
