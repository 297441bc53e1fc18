"""Commands in a process that has used torch's threads before: the same features with any number of workers, and no video lost."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from tests.unit.features.pretrained_file import write_run

USES = """
import sys, torch
torch.set_num_threads(2)
(torch.rand(1500, 1500) @ torch.rand(1500, 1500)).sum()
torch.nn.Conv2d(16, 32, 3)(torch.rand(8, 16, 64, 64)).sum().backward()
torch.rand(4000, 4000).sin().sum()
"""
NOT_THE_FILES_FAULT = ("no answer within", "crashed")


def command(name: str, *arguments: str) -> None:
    """`python -m vclr_pl.NAME` after the uses, in a process of its own with the user's number of threads."""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    program = f"{USES}\nfrom vclr_pl.{name} import main\nmain()"
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=environment | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def test_real_footage_has_the_same_features_with_any_number_of_workers(real_footage: Path, tmp_path: Path) -> None:
    trained = write_run(tmp_path / "trained")
    for workers in (0, 1, 4):
        command(
            "embed",
            f"encoder={trained}",
            f"data.root={real_footage}",
            "data.class_folders=false",
            "protocol.frames=3",
            f"loader.workers={workers}",
            f"output={tmp_path / str(workers)}",
            f"hydra.run.dir={tmp_path / 'runs' / str(workers)}",
            "trainer=cpu",
        )
    with (tmp_path / "0" / "videos.csv").open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        lines = list(csv.DictReader(file))
    assert sum(line["status"] == "ok" for line in lines) > len(lines) / 2
    assert not [line for line in lines if any(fault in line["status"] for fault in NOT_THE_FILES_FAULT)]
    for workers in (1, 4):
        for name in ("videos.csv", "features.npy"):
            assert (tmp_path / str(workers) / name).read_bytes() == (tmp_path / "0" / name).read_bytes()
    assert np.isfinite(np.load(tmp_path / "0" / "features.npy")).all()


def test_maps_of_a_video_of_odd_width(tmp_path: Path, ffmpeg: str, torchcodec_works: None) -> None:
    video = tmp_path / "odd.mkv"
    source = "testsrc2=size=426x240:rate=25:duration=0.8"
    subprocess.run([ffmpeg, "-v", "error", "-f", "lavfi", "-i", source, "-pix_fmt", "yuv420p", str(video)], check=True, timeout=60)
    command(
        "visualize",
        f"encoder={write_run(tmp_path / 'trained')}",
        f"data.root={video}",
        "protocol.frames=3",
        "video=null",
        f"output={tmp_path / 'maps'}",
        f"hydra.run.dir={tmp_path / 'run'}",
    )
    assert (tmp_path / "maps" / "odd.png").is_file()
