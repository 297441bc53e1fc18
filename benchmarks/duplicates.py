"""Recall of `retrieve duplicates=true` on copies made with ffmpeg, by kind, and its false pairs.

    python benchmarks/duplicates.py VIDEOS --encoder RUN_FOLDER [--videos 50] [--output results.json] [protocol.frames=12 ...]

Six copies of each of `--videos` videos below VIDEOS (seeded) and all the originals are one gallery. The copies are files, made in other
ways than those of the calibration: another corner is cropped, the other end trimmed, another logo in another corner, another scale, and
every copy is encoded again by x264. A copy is found if it forms a pair with its original. A pair of videos that come from different
recordings is false. Names of UCF101 (`v_CLASS_gNN_cNN`) say which clips are of one recording; their pairs are counted separately.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import re
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import vclr_pl
from vclr_pl.datasets.video_scan import VIDEO_SUFFIXES

EVEN = "scale=trunc(iw/2)*2:trunc(ih/2)*2"
LOGO = "drawbox=x=iw*0.04:y=ih*0.05:w=iw*0.16:h=ih*0.12:color=white:t=fill,drawbox=x=iw*0.06:y=ih*0.08:w=iw*0.05:h=ih*0.06:color=red:t=fill"
FILTERS = {
    "re-encoded": EVEN,
    "trimmed": EVEN,
    "cropped": "crop=trunc(iw*0.9/2)*2:trunc(ih*0.9/2)*2:iw*0.1:ih*0.1",
    "rescaled": "scale=trunc(iw*0.6/2)*2:trunc(ih*0.6/2)*2",
    "with a logo": f"{EVEN},{LOGO}",
    "mirrored": f"{EVEN},hflip",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--encoder", required=True, help="as in `retrieve encoder=`")
    parser.add_argument("--videos", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--not-of-seed", type=int, help="leave out the videos that this seed chooses, for a test on other ones")
    parser.add_argument("--copies", type=Path, help="keeps the copies in this folder for another run")
    parser.add_argument("--output", type=Path)
    parser.add_argument("overrides", nargs="*")
    arguments = parser.parse_intermixed_args()
    originals = sorted(path for path in arguments.folder.rglob("*") if path.suffix.lower() in VIDEO_SUFFIXES)
    chosen = drawn(originals, arguments.videos, arguments.seed)
    if arguments.not_of_seed is not None:
        known = drawn(originals, arguments.videos, arguments.not_of_seed)
        chosen = drawn([path for path in originals if path not in known], arguments.videos, arguments.seed)
    with tempfile.TemporaryDirectory() as temporary:
        copies = make_copies(chosen, arguments.copies or Path(temporary) / "copies")
        listed = Path(temporary) / "list.txt"
        listed.write_text("".join(f"{path.absolute()}\n" for path in [*originals, *copies]))
        gallery = ["data@gallery=video_list", "gallery.root=/", f"gallery.train={listed}", f"paths.data={temporary}"]
        started = time.perf_counter()
        overrides = [*gallery, f"hydra.run.dir={temporary}/run", "duplicates=true", "page=null", *arguments.overrides]
        result = vclr_pl.retrieve(encoder=arguments.encoder, overrides=overrides)
        record = {"seconds": round(time.perf_counter() - started, 1), "videos": len(originals) + len(copies)}
        log = (result.folder / "retrieve.log").read_text().splitlines()
        record["log"] = [line for line in log if "calibration took" in line or "Near duplicates have" in line]
        record |= judge(result.folder / "duplicate_pairs.csv", copies, originals)
    print(json.dumps(record, indent=1))
    if arguments.output:
        arguments.output.write_text(json.dumps(record, indent=1) + "\n")


def drawn(videos: list[Path], count: int, seed: int) -> list[Path]:
    return sorted(random.Random(seed).sample(videos, min(count, len(videos))))


def make_copies(videos: list[Path], folder: Path) -> dict[Path, tuple[Path, str]]:
    """The original and the kind, by the path of the copy; existing files are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {folder / f"{number}_{kind}.mp4": (video, kind) for number, video in enumerate(videos) for kind in FILTERS}
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(make_copy, made, *zip(*made.values(), strict=True)))
    return made


def make_copy(target: Path, video: Path, kind: str) -> None:
    if target.exists():
        return
    asked = ["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", str(video)]
    seconds = float(subprocess.run(asked, capture_output=True, text=True, check=True).stdout)
    start = ["-ss", str(seconds / 10)] if kind == "trimmed" else []
    coding = ["-an", "-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-crf", "34" if kind == "re-encoded" else "30"]
    subprocess.run(["ffmpeg", "-v", "error", "-y", *start, "-i", str(video), "-vf", FILTERS[kind], *coding, str(target)], check=True)


def judge(table: Path, copies: dict[Path, tuple[Path, str]], originals: list[Path]) -> dict[str, object]:
    """Recall by kind in percent, and the numbers of pairs."""
    source = {str(path.absolute()): path for path in originals} | {str(copy.absolute()): video for copy, (video, _) in copies.items()}
    with table.open(newline="", errors="surrogateescape") as file:
        pairs = [(line["first"], line["second"]) for line in csv.DictReader(file)]
    known = {frozenset(pair) for pair in pairs}
    found = dict.fromkeys(FILTERS, 0)
    for copy, (video, kind) in copies.items():
        found[kind] += frozenset((str(copy.absolute()), str(video.absolute()))) in known
    each = len(copies) // len(FILTERS)
    recall = {kind: round(100 * count / each, 1) for kind, count in found.items()}
    recording = {path: re.sub(r"_c\d+$", "", video.stem) for path, video in source.items()}
    false = [pair for pair in pairs if recording[pair[0]] != recording[pair[1]]]
    clips = [pair for pair in pairs if source[pair[0]] != source[pair[1]]]
    return {
        "recall, percent": recall,
        "recall of all, percent": round(100 * sum(found.values()) / len(copies), 1),
        "pairs": len(pairs),
        "false pairs": len(false),
        "pairs of clips of one recording": len(clips) - len(false),
        "first false pairs": false[:5],
    }


if __name__ == "__main__":
    main()
