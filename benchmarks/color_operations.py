"""The color operations of a sample on a CPU, as they are and compiled, beside those of an earlier commit, in one process.

    python benchmarks/color_operations.py --before /tmp/before                # after git worktree add /tmp/before COMMIT
    python benchmarks/color_operations.py --rounds 2 --samples 1              # does it run?

A sample is seven views. Each round times every way once, one after another, on the same views and random values; the figures are
medians over rounds, and ratios are taken within rounds. On one thread the time is that of the process, else of the clock.
"""

from __future__ import annotations

import argparse
import importlib
import os
import statistics
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from input_path import COLORS, REST

from vclr_pl.data.transform.color_augmentation import ColorAugmentation

VIEWS = 7
FILES = ("color", "color_augmentation")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, help="a checkout of an earlier commit")
    parser.add_argument("--pixels", type=int, nargs="+", default=[224, 112, 64, 48])
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    parser.add_argument("--samples", type=int, default=8, help="of a batch")
    parser.add_argument("--rounds", type=int, default=21)
    arguments = parser.parse_args()
    ways: dict[str, Any] = {"compiled": ColorAugmentation(**COLORS, **REST, compile=True)}
    ways = {"not compiled": ColorAugmentation(**COLORS, **REST, compile=False), **ways}
    if arguments.before:
        ways = {"before": earlier(arguments.before).ColorAugmentation(**COLORS, **REST), **ways}
    print(f"{'pixels':>7}{'threads':>8}  {'way':14}{'ms a sample':>12}{'speedup':>9}{'load':>6}")
    for pixels in arguments.pixels:
        for threads in arguments.threads:
            torch.set_num_threads(threads)
            seconds = timed(ways, pixels=pixels, samples=arguments.samples, rounds=arguments.rounds, alone=threads == 1)
            first = next(iter(seconds.values()))
            for name, values in seconds.items():
                speedup = statistics.median(one / other for one, other in zip(first, values, strict=True))
                cost = 1000 * statistics.median(values) / arguments.samples
                print(f"{pixels:7}{threads:8}  {name:14}{cost:12.2f}{speedup:9.2f}{os.getloadavg()[0]:6.1f}", flush=True)
    return 0


def timed(ways: dict[str, Any], *, pixels: int, samples: int, rounds: int, alone: bool) -> dict[str, list[float]]:
    """Seconds of a batch by way, of each round after the first, which compiles."""
    clock = time.process_time if alone else time.perf_counter
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    views = torch.randint(0, 256, (VIEWS * samples, 3, pixels, pixels), dtype=torch.uint8)
    for number in range(rounds + 1):
        parameters = ways["compiled"].draw(len(views), np.random.default_rng(number))
        for name, way in ways.items():
            started = clock()
            way.apply(views, parameters)
            seconds[name].append(clock() - started)
    return {name: values[1:] for name, values in seconds.items()}


def earlier(checkout: Path) -> ModuleType:
    """The color augmentation of another checkout, under names of its own; everything else is of this one."""
    package = "vclr_pl.data.transform"
    ours = {name: sys.modules.pop(f"{package}.{name}") for name in FILES}
    transforms = importlib.import_module(package)
    path = transforms.__path__
    transforms.__path__ = [str(checkout / "src/vclr_pl/data/transform"), *path]
    theirs = importlib.import_module(f"{package}.color_augmentation")
    transforms.__path__ = path
    sys.modules |= {f"{package}.{name}": module for name, module in ours.items()}
    return theirs


if __name__ == "__main__":
    sys.exit(main())
