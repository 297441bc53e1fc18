"""How fast videos become batches, on one core, by several ways in one run; then with 1, 2 and 4 workers.

    python benchmarks/input_pipeline.py                                 # some minutes, on videos that it makes itself
    python benchmarks/input_pipeline.py --root DIR --output results.json # on the first videos below DIR
    python benchmarks/input_pipeline.py --scale 0.1 --rounds 2           # does it run?

A sample is six frames (two of each third) and seven views of 224 pixels. Each round times every way once, one after another; the figures
are medians over rounds, and ratios are taken within rounds. The process and its decoders are pinned to one core with one thread, and what
counts is the time that the core works for them (all their threads, the decoder's child process included), so that a machine that has
other work too measures the same. Workers are timed by the clock.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import json
import os
import platform
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import footage
import input_path
import torch
from footage import Footage, Kind

from vclr_pl.data.datamodule import LoaderOptions, VideoDataModule
from vclr_pl.data.transform.evaluation_view import EvaluationView
from vclr_pl.data.video_dataset import SegmentVideoDataset
from vclr_pl.datasets.manifest import Manifest, VideoSplits
from vclr_pl.datasets.video_scan import scan_videos
from vclr_pl.files import available_cores

BATCH = 16
SECONDS_A_TIMING = 0.25
SAMPLES = 64  # different draws
LENGTHS = (1, 2, 4)
Table = dict[str, dict[str, float]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, help="a folder of videos; without it they are made")
    parser.add_argument("--videos", type=int, default=4, help="of each kind")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--scale", type=float, default=1.0, help="of the made videos' length")
    parser.add_argument("--output", type=Path, help="a JSON file for the figures")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message="This DataLoader will create")  # four workers on two cores are a question asked here
    with tempfile.TemporaryDirectory(prefix="input_pipeline_") as temporary:
        record = {"machine": machine()} | measure(Path(temporary), arguments)
    if arguments.output:
        arguments.output.write_text(json.dumps(record, indent=1) + "\n")
    return 0


def measure(folder: Path, arguments: argparse.Namespace) -> dict[str, object]:
    sources = from_root(folder, arguments) if arguments.root else made(folder, arguments)
    record: dict[str, object] = {"videos": {name: describe(one) for name, one in sources.items()}}
    show("videos", record["videos"])
    with on_one_core():
        for name, one in sources.items():
            record[f"decoding alone, {name}"] = decoding(one, rounds=arguments.rounds)
            show(f"decoding alone, {name}: samples/s", record[f"decoding alone, {name}"])
        for name, one in sources.items():
            record[f"augmented, {name}"] = augmented(one, rounds=arguments.rounds)
            show(f"to uint8 views and to the ready batch, {name}: samples/s", record[f"augmented, {name}"])
        if not arguments.root:
            record["length"] = growth(folder / "length", arguments)
            show("growth with length: ms a sample", record["length"])
    record["workers"] = {name: over_workers(one, rounds=max(1, arguments.rounds // 3)) for name, one in sources.items()}
    for name, table in record["workers"].items():
        show(f"workers on {available_cores()} cores, {name}: samples/s", table)
    return record


@contextlib.contextmanager
def on_one_core() -> Iterator[None]:
    """This process and what it starts; macOS, which has no affinity, keeps them where it likes."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    every_core = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(every_core)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, every_core)


def made(folder: Path, arguments: argparse.Namespace) -> dict[str, Footage]:
    kinds: list[Kind] = [footage.H264, footage.MPEG4]
    return {
        kind.name: footage.make(folder / str(place), kind, videos=arguments.videos, scale=arguments.scale)
        for place, kind in enumerate(kinds)
    }


def from_root(folder: Path, arguments: argparse.Namespace) -> dict[str, Footage]:
    paths = [arguments.root / path for path, _ in zip(scan_videos(arguments.root), range(arguments.videos), strict=False)]
    return {str(arguments.root): footage.derive(folder / "root", paths, jpegs=True)}


def describe(one: Footage) -> dict[str, float]:
    draws = draws_for(one)
    return {
        "videos": len(one.raw),
        "frames": statistics.mean(one.frame_counts),
        "kbit/s": footage.kilobits_per_second(one.raw),
        "kbit/s re-encoded": footage.kilobits_per_second(one.reencoded),
        "frames decoded per frame used": footage.frames_decoded_per_frame_used(one.raw[0], draws),
        "frames decoded per frame used, re-encoded": footage.frames_decoded_per_frame_used(one.reencoded[0], draws),
        "frames decoded per frame used, stock": statistics.mean(one.frame_counts) / 6,
    }


def draws_for(one: Footage) -> list[list[int]]:
    """Indices that every video of the kind has."""
    return input_path.draws_of(min(one.frame_counts), SAMPLES)


def decoding(one: Footage, *, rounds: int) -> Table:
    draws = draws_for(one)
    ways = {f"{name}, raw": run for name, run in input_path.decoding_ways(one.raw, draws).items()}
    ways |= {f"{name}, re-encoded": run for name, run in input_path.decoding_ways(one.reencoded, draws).items() if "stock" not in name}
    ways["JPEG files with PIL"] = lambda number: input_path.read_pictures(
        one.frame_folders[number % len(one.frame_folders)], draws[number % len(draws)]
    )
    against = ("stock pytorchvideo, raw", "bare torchcodec, raw", "bare torchcodec, re-encoded", "ours, raw")
    return compare(ways, rounds=rounds, samples_a_call=1, against=against)


def augmented(one: Footage, *, rounds: int) -> Table:
    draws = draws_for(one)
    ours = {name: input_path.ours_on(paths) for name, paths in (("ours, raw", one.raw), ("ours, re-encoded", one.reencoded))}
    published = input_path.published_on(one.frame_folders)
    released = "published (JPEG, torchvision on PIL)"
    again = "published (JPEG, transform=published)"
    shares = {released: input_path.released_worker_share(one, draws), again: input_path.worker_share(published)}
    shares |= {name: input_path.worker_share(videos) for name, videos in ours.items()}
    whole = {released: input_path.released_whole_way(one, draws, batch=BATCH)}
    whole[again] = input_path.whole_way(published, input_path.NORMALIZE, batch=BATCH)
    whole |= {name: input_path.whole_way(videos, input_path.PHOTOMETRIC, batch=BATCH) for name, videos in ours.items()}
    part = compare(shares, rounds=rounds, samples_a_call=1, against=(released, again))
    rest = compare(whole, rounds=rounds, samples_a_call=BATCH, against=(released, again))
    return {f"worker's share: {name}": row for name, row in part.items()} | {f"all on the CPU: {name}": row for name, row in rest.items()}


def compare(ways: dict[str, input_path.Run], *, rounds: int, samples_a_call: int, against: tuple[str, ...]) -> Table:
    """Samples per second of each way, and how many times as fast as `against`, medians over rounds."""
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    for run in ways.values():
        run(0)
    for number in range(rounds):
        for name, run in ways.items():
            speeds[name].append(samples_a_call * calls_per_second(run, first=number * 7))
    table: Table = {}
    for name, own in speeds.items():
        table[name] = {"samples/s": statistics.median(own)}
        for other in against:
            table[name][f"x {other}"] = statistics.median(a / b for a, b in zip(own, speeds[other], strict=True))
    return table


def calls_per_second(run: input_path.Run, *, first: int) -> float:
    started, clock, calls = core_seconds(), time.perf_counter(), 0
    while time.perf_counter() - clock < SECONDS_A_TIMING or not calls:
        run(first + calls)
        calls += 1
    return calls / (core_seconds() - started)


def descendants(process: str) -> Iterator[str]:
    """The process ids of children, their children, and so on: a decoder is a child of the server that forks it."""
    for task in Path(f"/proc/{process}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield child
            yield from descendants(child)


def core_seconds() -> float:
    """Of this process and of its descendants that live."""
    threads = [thread for child in descendants("self") for thread in Path(f"/proc/{child}/task").iterdir()]
    return time.process_time() + sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


def growth(folder: Path, arguments: argparse.Namespace) -> Table:
    """Milliseconds a sample of videos of one, two and four times the length."""
    table: Table = {}
    for length in LENGTHS:
        one = footage.make(folder / str(length), footage.H264, videos=1, scale=length * arguments.scale, jpegs=False)
        draws = input_path.draws_of(round(length * arguments.scale * footage.H264.seconds * footage.H264.rate), SAMPLES)
        ways = {"stock pytorchvideo": input_path.decoding_ways(one.raw, draws)["stock pytorchvideo"]}
        ways["ours, raw"] = input_path.decoding_ways(one.raw, draws)["ours"]
        ways["ours, re-encoded"] = input_path.decoding_ways(one.reencoded, draws)["ours"]
        found = compare(ways, rounds=max(1, arguments.rounds // 2), samples_a_call=1, against=())
        seconds = length * arguments.scale * footage.H264.seconds
        table[f"{seconds:g} s"] = {name: 1000 / row["samples/s"] for name, row in found.items()}
    return table


def over_workers(one: Footage, *, rounds: int) -> Table:
    """Samples per second of uint8 views out of a loader."""
    ways = {"published": input_path.published_on(one.frame_folders), "ours, raw": input_path.ours_on(one.raw)}
    ways["ours, re-encoded"] = input_path.ours_on(one.reencoded)
    found: dict[tuple[str, int], list[float]] = {}
    for _ in range(rounds):
        for workers in (1, 2, 4):
            for name, videos in ways.items():
                found.setdefault((name, workers), []).append(loader_speed(videos, workers=workers))
    return {name: {f"{workers}": statistics.median(found[name, workers]) for workers in (1, 2, 4)} for name in ways}


def loader_speed(videos: SegmentVideoDataset, *, workers: int, batches: int = 10) -> float:
    paths = [(videos.manifest.path(index), None) for index in range(len(videos))]
    datamodule = VideoDataModule(
        splits=VideoSplits(train=Manifest.from_pairs(paths * (BATCH * (batches + 2 * workers + 2) // len(paths) + 1))),
        sampling=videos.sampling,
        decoding=videos.decoder,
        transform=videos.transform,
        color_augmentation=videos.color_augmentation,
        evaluation_view=EvaluationView(frames=30, crop_pixels=224, short_side_pixels=None, mean=input_path.MEAN, std=input_path.STD),
        loader=LoaderOptions(batch_size=BATCH, evaluation_batch_size=1, workers=workers, max_broken_fraction=0.0),
        seed=0,
    )
    arrivals = list(arrival_times(datamodule, batches=2 * workers + batches + 1))[2 * workers :]  # what was ready at the start aside
    return BATCH * (len(arrivals) - 1) / (arrivals[-1] - arrivals[0])


def arrival_times(datamodule: VideoDataModule, *, batches: int) -> Iterator[float]:
    for _, _batch in zip(range(batches), datamodule.train_dataloader(), strict=False):
        yield time.perf_counter()


def machine() -> dict[str, object]:
    packages = ("torch", "torchvision", "torchcodec", "av", "pytorchvideo", "pillow")
    cpu = [line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    versions = {name: importlib.metadata.version(name) for name in packages}
    return {
        "processor": cpu[0] if cpu else platform.processor(),
        "cores": available_cores(),
        "python": platform.python_version(),
    } | versions


def show(title: str, table: Table) -> None:
    columns = list(dict.fromkeys(column for row in table.values() for column in row))
    print(f"\n{title}\n{'':48}" + "".join(f"{column[:26]:>28}" for column in columns))
    for name, row in table.items():
        print(f"{name:48}" + "".join(f"{row[column]:28.4g}" if column in row else f"{'':28}" for column in columns), flush=True)


if __name__ == "__main__":
    sys.exit(main())
