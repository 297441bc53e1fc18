"""Every command, tiny, in one process, with an output that cannot be written; a JSON line for each: exit code, stderr, what is left.

Usage: python -m tests.integration.surroundings PLACES OUTPUT [LIMIT ...]

PLACES: inputs, made where it is not there. OUTPUT: what the commands write lies below it. LIMIT: `disk=N` leaves N kilobytes of OUTPUT's
disk, `file=N` lets no file grow past N bytes; OUTPUT is emptied before each command then.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import resource
import shutil
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file
from tests.unit.features.pretrained_file import write_run
from tests.video_fixture import write_video

from vclr_pl.check import check
from vclr_pl.compare import compare
from vclr_pl.convert import convert
from vclr_pl.embed import embed
from vclr_pl.evaluate import evaluate
from vclr_pl.finetune import finetune
from vclr_pl.localize import localize
from vclr_pl.prepare import prepare
from vclr_pl.report.__main__ import main as report
from vclr_pl.retrieve import retrieve
from vclr_pl.runner.run import run
from vclr_pl.train import train
from vclr_pl.visualize import visualize

TASKS = {
    task.__name__: task for task in (train, evaluate, compare, embed, retrieve, finetune, localize, visualize, check, prepare, convert)
}
FITTING = ["trainer=cpu", "trainer.max_epochs=1", "loader.workers=0", "loader.batch_size=2", "decoding=pyav"]
READING = ["trainer=cpu", "loader.workers=0", "decoding=pyav", "encoder={places}/run"]


def make_places(places: Path) -> None:
    """Videos of two classes with annotations, an encoder."""
    for kind in ("jump", "run"):
        for name in ("a", "b", "c", "d"):
            write_video(places / "videos" / kind / f"{kind}_{name}.mp4", frames=32)
    one = [{"label": "jump", "segment": [0.2, 0.7]}]
    names = {
        f"jump_{name}": {"subset": "validation" if name == "d" else "training", "duration": 32 / 25, "annotations": one} for name in "abcd"
    }
    (places / "untrimmed.json").write_text(json.dumps({"database": names, "version": "", "taxonomy": []}))
    write_run(places / "run")
    record = {"name": "a" * 120, "metrics": {"retrieval_r1": 50.0}, "baseline": {}, "provenance": {}, "timings_seconds": {}}
    (places / "result").mkdir()
    (places / "result" / "results.json").write_text(json.dumps(record))


def arguments_of(places: Path, output: Path) -> dict[str, list[str]]:
    """What each command is told; all that it writes lies below `output`."""
    data, queues = "data.root={places}/videos", ["queue.inter.length=12", "queue.segment.length=6"]
    small = ["backbone=small_resnet", "backbone.widths=[8,16]"]
    told = {
        "train": ["experiment=folder", data, *small, *FITTING, *queues, "transform.size_pixels=32", "page=default", "head.dim=8"],
        "evaluate": [
            data,
            *READING,
            "bootstrap.resamples=20",
            "evaluation=nearest_neighbor",
            "evaluation.measures.nearest_neighbor.neighbors=1",
        ],
        "compare": [data, *READING[:-1], "encoders=['{places}/run']", "poolings=[mean,segments]", "bootstrap.resamples=20"],
        "embed": [data, *READING],
        "retrieve": ["gallery.root={places}/videos", *READING, "neighbors=2"],
        "finetune": [
            "experiment=finetune/folder",
            data,
            *FITTING,
            *small,
            "encoder=random",
            "transform.size_pixels=32",
            "evaluation_view.crop_pixels=32",
        ],
        "localize": [
            "untrimmed.root={places}/videos/jump",
            "untrimmed.annotations={places}/untrimmed.json",
            *READING,
            "batches.batch_size=2",
        ],
        "visualize": [data, "encoder={places}/run", "decoding=pyav", "most_videos=2", "protocol.frames=4"],
        "check": [data, "decoding=pyav", "reading.processes=1"],
        "prepare": [data, "output={output}/copy", "set_copy.processes=1", "set_copy.reencoder.short_side_pixels=32"],
        "convert": ["input={places}/run", "to=lightning", "output={output}/weights.ckpt"],
        "report": ["{places}/result", "--output", "{output}/table.md"],
    }
    localizer = [
        "localizer.hidden_1d=8",
        "localizer.hidden_2d=4",
        "localizer.hidden_3d=8",
        "localizer.samples=4",
        "resampling.positions=12",
    ]
    told["localize"] += [*localizer, "extractor.snippet_frames=4", "trainer.max_epochs=1"]
    for name, arguments in told.items():
        if name not in ("convert", "report"):
            arguments += ["paths.runs={output}/runs", "paths.data={output}/data"]
    return {
        name: [part.replace("{places}", str(places)).replace("{output}", str(output)) for part in arguments]
        for name, arguments in told.items()
    }


def outcome(name: str, arguments: list[str]) -> dict[str, object]:
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
        try:
            code = report(arguments) if name == "report" else run(TASKS[name], config_name=name, arguments=arguments)
        except BaseException:
            code = 1
            traceback.print_exc()
    return {"command": name, "code": code, "stderr": errors.getvalue()}


@contextlib.contextmanager
def limited(output: Path, limit: str) -> Iterator[None]:
    kind, _, number = limit.partition("=")
    if kind == "file":
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(number), hard))
        yield
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    else:
        (output / "filler").write_bytes(bytes(shutil.disk_usage(output).free - 1024 * int(number)))
        yield
        (output / "filler").unlink()


def halves(output: Path) -> list[str]:
    """Files that are not whole; drafts, logs and journals aside, which are read as far as they go."""
    growing = (".log", ".jsonl", ".draft", ".lock")
    files = [path for path in output.rglob("*") if path.is_file() and path.suffix not in growing and path.name != "metrics.csv"]
    return [str(path.relative_to(output)) for path in files if not is_whole(path)]


def is_whole(path: Path) -> bool:
    try:
        READERS[path.suffix](path)
    except Exception:
        return False
    return True


def read_table(path: Path) -> None:
    with path.open(newline="") as file:
        assert len({len(row) for row in csv.reader(file)}) == 1


def read_picture(path: Path) -> None:
    if path.stat().st_size:  # a video of one frame has an empty preview
        Image.open(path).load()


def read_video(path: Path) -> None:
    with av.open(str(path)) as video:
        assert sum(1 for _ in video.decode(video=0)) > 0


READERS: dict[str, Callable[[Path], object]] = {
    ".json": lambda path: json.loads(path.read_text()),
    ".yaml": lambda path: yaml.safe_load(path.read_text())["name"],
    ".md": lambda path: path.read_text()[0],
    ".html": lambda path: path.read_text().index("</html>"),
    ".npy": np.load,
    ".safetensors": load_file,
    ".csv": read_table,
    ".key": lambda path: path.read_text()[63],
    ".png": read_picture,
    ".webp": read_picture,
    ".ckpt": lambda path: torch.load(path, weights_only=True),
    ".mp4": read_video,
}


def main(places: Path, output: Path, limits: list[str]) -> None:
    for limit in limits or [""]:
        for name, arguments in arguments_of(places, output).items():
            if not limit:
                found = outcome(name, arguments)
            else:
                clear(output)
                with limited(output, limit):
                    found = outcome(name, arguments)
                found |= {"limit": limit, "halves": halves(output)}
            print(json.dumps(found), file=sys.__stdout__, flush=True)


def clear(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


if __name__ == "__main__":
    if not Path(sys.argv[1]).exists():
        make_places(Path(sys.argv[1]))
    os.chdir(sys.argv[1])
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
