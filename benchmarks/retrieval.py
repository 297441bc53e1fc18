"""The blocked search against scikit-learn's cosine distances and a full sort: time and peak memory, on made-up features.

    python benchmarks/retrieval.py                                  # 20,000 x 100,000 x 2,048, and the largest size that fits scikit-learn
    python benchmarks/retrieval.py --queries 500 --gallery 2000 --width 256 --reference-queries 500 --reference-gallery 2000

Each measurement is a process of its own; features are files, memory-mapped by both sides, so that peak memory is what the search needs.
Rows of a file that are in memory because they were read count as shared pages, not as its own: both are told.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

NEIGHBORS = 50


def write_features(path: Path, *, rows: int, width: int, seed: int) -> None:
    """float32 `[rows, width]`, drawn in blocks."""
    generator = np.random.default_rng(seed)
    file = np.lib.format.open_memmap(path, "w+", np.float32, (rows, width))
    for start in range(0, rows, 4096):
        file[start : start + 4096] = generator.standard_normal((min(4096, rows - start), width), np.float32)
    file.flush()


def ours(gallery: Any, query: Any) -> Any:
    import torch

    from vclr_pl.evaluation.neighbor_search import nearest_neighbors

    return nearest_neighbors(
        gallery_GF=torch.from_numpy(gallery), query_QF=torch.from_numpy(query), neighbors=min(NEIGHBORS, len(gallery))
    ).index.numpy()


def scikit_learn(gallery: Any, query: Any) -> Any:
    from sklearn.metrics.pairwise import cosine_distances

    return cosine_distances(query, gallery).argsort(axis=1)[:, :NEIGHBORS]


SEARCHES = {"ours": ours, "scikit_learn": scikit_learn}


def measure_here(name: str, folder: Path) -> None:
    """Search, and print what it took as JSON."""
    gallery, query = (np.load(folder / f"{role}.npy", mmap_mode="c") for role in ("gallery", "query"))
    SEARCHES[name](gallery[:64], query[:8])  # imports, threads
    before = own_memory_bytes()
    started = time.perf_counter()
    found = SEARCHES[name](gallery, query)
    seconds = time.perf_counter() - started
    np.save(folder / f"{name}.npy", found[:200])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": round(seconds, 2), "own_before_bytes": before, "peak_resident_bytes": peak}))


def own_memory_bytes() -> int:
    status = Path("/proc/self/status").read_text()
    return 1024 * int(next(line for line in status.splitlines() if line.startswith("RssAnon")).split()[1])


def measured(name: str, *, queries: int, gallery: int, width: int) -> dict[str, Any]:
    """In a process of its own."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        write_features(folder / "gallery.npy", rows=gallery, width=width, seed=0)
        write_features(folder / "query.npy", rows=queries, width=width, seed=1)
        done = subprocess.run([sys.executable, __file__, "--measure", name, str(folder)], capture_output=True, text=True, check=False)
        size = {"search": name, "queries": queries, "gallery": gallery, "width": width}
        if done.returncode:
            return {**size, "failed": (done.stderr.strip().splitlines() or [f"exit {done.returncode}: killed for memory"])[-1]}
        return {**size, **json.loads(done.stdout)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", nargs=2, metavar=("NAME", "FOLDER"), help=argparse.SUPPRESS)
    for name, size in (
        ("queries", 20_000),
        ("gallery", 100_000),
        ("width", 2048),
        ("reference-queries", 10_000),
        ("reference-gallery", 50_000),
    ):
        parser.add_argument(f"--{name}", type=int, default=size)
    parser.add_argument("--output", help="a JSON file for the results")
    chosen = parser.parse_args()
    if chosen.measure:
        measure_here(chosen.measure[0], Path(chosen.measure[1]))
        return
    both = {"queries": chosen.reference_queries, "gallery": chosen.reference_gallery, "width": chosen.width}
    rows = [
        measured("ours", queries=chosen.queries, gallery=chosen.gallery, width=chosen.width),
        measured("ours", **both),
        measured("scikit_learn", **both),
    ]
    for row in rows:
        print(json.dumps(row))
    if chosen.output:
        machine = {"processor": platform.processor() or platform.machine(), "python": platform.python_version()}
        Path(chosen.output).write_text(json.dumps({"machine": machine, "results": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
