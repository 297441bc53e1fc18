"""Small real videos whose frames tell their own number, and data sets' layouts in miniature made of them.

Frame i is one gray of level 8 i (+ 4), which survives any codec: `frame_numbers` reads it back.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from torch import Tensor

LEVELS_PER_FRAME = 8
MOST_FRAMES = 256 // LEVELS_PER_FRAME
CODECS = {  # what the real data sets are stored in, by suffix: (encoder, tag, options)
    ".avi": ("mpeg4", "XVID", {"qscale": "2"}),
    ".mp4": ("libx264", None, {"preset": "ultrafast", "crf": "12"}),
    ".mkv": ("libx264", None, {"preset": "ultrafast", "crf": "12"}),
    ".webm": ("libvpx-vp9", None, {"deadline": "realtime", "cpu-used": "8", "crf": "12", "b": "0"}),
}


def write_video(path: Path, *, frames: int = 12, height: int = 48, width: int = 64, rate: int = 25, keyframe_every: int = 12) -> Path:
    """`frames` numbered frames (at most 32) in the codec that the suffix stands for: XVID in .avi, H.264 in .mp4, VP9 in .webm."""
    assert frames <= MOST_FRAMES
    levels = [LEVELS_PER_FRAME * number + LEVELS_PER_FRAME // 2 for number in range(frames)]
    pictures = (np.full((height, width, 3), level, np.uint8) for level in levels)
    return write_pictures(path, pictures=pictures, height=height, width=width, rate=rate, keyframe_every=keyframe_every)


def write_pictures(path: Path, *, pictures: Iterable[np.ndarray], height: int, width: int, rate: int, keyframe_every: int) -> Path:
    """RGB pictures `[H, W, 3]` uint8 as a video."""
    encoder, tag, options = CODECS[path.suffix.lower()]
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format={".mkv": "matroska"}.get(path.suffix.lower(), path.suffix.lower()[1:])) as container:
        stream = container.add_stream(encoder, rate=rate, options=dict(options))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.gop_size = keyframe_every
        stream.codec_context.time_base = Fraction(1, rate)
        stream.thread_count = 1
        if tag is not None:
            stream.codec_context.codec_tag = tag
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


def frame_numbers(frames: Tensor) -> list[int]:
    """The numbers of frames `[T, C, H, W]` uint8 that `write_video` made."""
    return [round((float(level) - LEVELS_PER_FRAME / 2) / LEVELS_PER_FRAME) for level in frames.float().mean(dim=(1, 2, 3))]


def copies(paths: Iterable[Path], **options: int) -> list[Path]:
    """The same video under each path (all of one suffix): layouts need names, not contents."""
    made: list[Path] = []
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        made.append(write_video(path, **options) if not made else Path(shutil.copy(made[0], path)))
    return made


def write_broken(path: Path) -> Path:
    """A file that calls itself a video."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("no video at all")
    return path


def write_lines(path: Path, lines: Iterable[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


UCF101_CLASSES = ("ApplyEyeMakeup", "HandstandPushups", "YoYo")


def make_ucf101(root: Path) -> Path:
    """Three classes of four XVID videos in `UCF-101/` and three splits: in split n group n tests, the others train."""
    names = {name: [f"{name}/v_{name}_g0{group}_c01.avi" for group in range(1, 5)] for name in UCF101_CLASSES}
    copies(root / "UCF-101" / entry for entries in names.values() for entry in entries)
    lists = root / "ucfTrainTestlist"
    write_lines(lists / "classInd.txt", [f"{number} {name}" for number, name in enumerate(UCF101_CLASSES, 1)])
    for split in (1, 2, 3):
        tested = f"_g0{split}_"
        train = [f"{entry} {number}" for number, name in enumerate(UCF101_CLASSES, 1) for entry in names[name] if tested not in entry]
        write_lines(lists / f"trainlist0{split}.txt", train)
        write_lines(lists / f"testlist0{split}.txt", [entry for name in UCF101_CLASSES for entry in names[name] if tested in entry])
    return root


HMDB51_CLASSES = ("brush_hair", "wave")


def make_hmdb51(root: Path, *, video_folder: str = "hmdb51_org") -> Path:
    """Two classes of four XVID videos, names as odd as the real ones; of each class split n tests video n, and leaves out the last."""
    for name in HMDB51_CLASSES:
        files = [f"A#_Clip;_{number}(x)_{name}_u_nm_np1_ba_goo_{number}.avi" for number in range(4)]
        copies(root / video_folder / name / file for file in files)
        for split in (1, 2, 3):
            marks = [2 if number == split - 1 else 1 if number < 3 else 0 for number in range(4)]
            lines = [f"{file} {mark} " for file, mark in zip(files, marks, strict=True)]
            write_lines(root / "testTrainMulti_7030_splits" / f"{name}_test_split{split}.txt", lines)
    return root


KINETICS_CLASSES = ("abseiling", "air drumming")


def make_kinetics400(root: Path, *, class_folders: bool = True, suffix: str = ".mp4") -> Path:
    """Two classes, three training and two validation rows each; of each class the last training video is not on disk."""
    for part, rows in (("train", 3), ("val", 2)):
        table = [
            (label, f"-{part[:2]}{number}_{label[:3]}", 10 * number, 10 * number + 10)
            for label in KINETICS_CLASSES
            for number in range(rows)
        ]
        write_csv(
            root / f"{part}.csv", header=("label", "youtube_id", "time_start", "time_end", "split"), rows=[(*row, part) for row in table]
        )
        present = [row for row in table if not (part == "train" and row[2] == 20)]
        folders = [root / part / label if class_folders else root / part for label, *_ in present]
        copies(folder / f"{name}_{start:06d}_{end:06d}{suffix}" for folder, (_, name, start, end) in zip(folders, present, strict=True))
    return root


def write_csv(path: Path, *, header: Iterable[str], rows: Iterable[Iterable[object]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    return path


SSV2_LABELS = {"Moving something up": "1", "Holding something": "0"}


def make_ssv2(root: Path, *, later_release: bool = False) -> Path:
    """Two templates, three training and two validation videos in VP9; the first release's file names, or the later one's."""
    prefix = root / "labels" / "" if later_release else root / "something-something-v2-"
    templates = ["Moving [something] up", "Holding [something]"]
    parts = {"train": ["101", "102", "103"], "validation": ["201", "202"]}
    for part, identities in parts.items():
        videos = [
            {"id": identity, "label": "moving a cup up", "template": templates[number % 2]} for number, identity in enumerate(identities)
        ]
        write_lines(Path(f"{prefix}{'/' if later_release else ''}{part}.json"), [json.dumps(videos)])
    write_lines(Path(f"{prefix}{'/' if later_release else ''}labels.json"), [json.dumps(SSV2_LABELS)])
    copies(root / "20bn-something-something-v2" / f"{identity}.webm" for identities in parts.values() for identity in identities)
    return root


def make_activitynet(root: Path) -> Path:
    """Three training and one validation video of 24 frames, said to last 12 seconds; the third is not on disk. Mp4 and mkv."""

    def entry(subset: str, *segments: tuple[float, float, str]) -> dict[str, object]:
        annotations = [{"segment": [start, end], "label": label} for start, end, label in segments]
        return {"duration": 12.0, "subset": subset, "resolution": "64x48", "url": "", "annotations": annotations}

    database = {
        "--aa_1": entry("training", (0.0, 6.0, "Zumba"), (6.0, 13.0, "Archery")),
        "bb2": entry("training", (3.0, 9.0, "Archery")),
        "cc3": entry("training", (0.0, 6.0, "Zumba")),
        "dd4": entry("validation", (6.0, 12.0, "Zumba")),
        "ee5": entry("testing"),
    }
    write_lines(root / "activity_net.v1-3.min.json", [json.dumps({"version": "VERSION 1.3", "database": database, "taxonomy": []})])
    copies((root / "v1-3/train_val" / name for name in ("v_--aa_1.mp4", "v_dd4.mp4", "v_ee5.mp4")), frames=24)
    copies([root / "v1-3/train_val/v_bb2.mkv"], frames=24)
    return root
