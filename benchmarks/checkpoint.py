"""The cost of a checkpoint for training: ordinary steps, steps that save, and a write that training waits for, interleaved.

    python benchmarks/checkpoint.py                                # resnet18 at 64 pixels, 32 videos a step
    python benchmarks/checkpoint.py --case resnet50:112:8 --rounds 3

A round times ordinary steps, a step with a save before it, and the steps until the file is written. The first save, which takes new memory,
is reported apart. Ratios are taken within rounds; the median over rounds is reported.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import torch
from training_step import Case, Step, make_batch, variants

from vclr_pl.callback.checkpoint_writing import AtomicCheckpointIO, write_checkpoint
from vclr_pl.files import usable


def measure(case: Case, *, rounds: int, folder: Path) -> dict[str, Any]:
    """Seconds and ratios."""
    device = torch.device("cpu")
    step, batch, io = Step(case, variants()[-2], device), make_batch(case, device), AtomicCheckpointIO()
    content = lambda: {"state_dict": step.module.state_dict(), "optimizer_states": [step.optimizer.state_dict()]}  # noqa: E731
    last, options = folder / "last.ckpt", {"previous": folder / "previous.ckpt"}
    at_once = threading.Event()
    at_once.set()
    for _ in range(2):
        step(batch)
    found = []
    for _ in range(rounds + 1):
        ordinary = statistics.median(step(batch) for _ in range(3))
        started = time.perf_counter()
        io.save_checkpoint(content(), last, options)
        copied = time.perf_counter() - started
        saving = [copied + step(batch)]
        while io.is_writing:
            saving.append(step(batch))
        started = time.perf_counter()
        write_checkpoint(content(), folder / "waited.ckpt", previous=None, hurry=at_once)
        found.append(
            {"ordinary": ordinary, "copy": copied, "saving": saving[0], "until_written": saving, "waiting": time.perf_counter() - started}
        )
    started = time.perf_counter()
    assert usable(last)
    checked, later = time.perf_counter() - started, found[1:]
    return {
        "case": f"{case.backbone}:{case.pixels}:{case.batch}",
        "threads": torch.get_num_threads(),
        "file_mb": round(last.stat().st_size / 1e6, 1),
        "ordinary_step_seconds": _median(later, lambda one: one["ordinary"]),
        "copy_seconds": _median(later, lambda one: one["copy"]),
        "first_copy_seconds": round(found[0]["copy"], 3),
        "saving_step_ratio": _median(later, lambda one: one["saving"] / one["ordinary"]),
        "first_saving_step_ratio": round(found[0]["saving"] / found[0]["ordinary"], 3),
        "mean_ratio_until_written": _median(later, lambda one: statistics.mean(one["until_written"]) / one["ordinary"]),
        "ratio_if_training_waited": _median(later, lambda one: (one["ordinary"] + one["waiting"]) / one["ordinary"]),
        "check_seconds": round(checked, 3),
        "rounds": later,
    }


def _median(rounds: list[dict[str, Any]], value: Any) -> float:
    return round(statistics.median(value(one) for one in rounds), 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", default="resnet18:64:32", help="BACKBONE:PIXELS:BATCH")
    parser.add_argument("--queue", type=int, default=131072)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--folder", type=Path, help="where the files are written; a temporary folder")
    given = parser.parse_args()
    backbone, pixels, batch = given.case.split(":")
    case = Case(backbone=backbone, pixels=int(pixels), batch=int(batch), queue=given.queue)
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        print(json.dumps(measure(case, rounds=given.rounds, folder=Path(folder)), indent=2))


if __name__ == "__main__":
    main()
