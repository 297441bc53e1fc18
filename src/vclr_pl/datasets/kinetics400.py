"""Kinetics-400 in its usual layouts: class folders, the official CSV files, or both.

A row of the CSV is `label,youtube_id,time_start,time_end,split`; its file is `<id>_<start, six digits>_<end, six digits>.mp4`.
"""

from __future__ import annotations

import csv
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vclr_pl.datasets.folder import folder_manifest
from vclr_pl.datasets.manifest import Manifest, ManifestBuilder, VideoSplits
from vclr_pl.datasets.video_list import inside_root
from vclr_pl.datasets.video_scan import VideoIndex, data_folder, first_folder, no_videos
from vclr_pl.remote.cache import FileCache
from vclr_pl.remote.path import Folder
from vclr_pl.types import InputError

PARTS = {"train": ("train", "train_256", "videos_train"), "test": ("val", "val_256", "validation", "validate", "videos_val")}
LIST_FOLDERS = ("", "annotations", "kinetics400", "lists")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Row:
    label: str
    name: str  # name of the file, without suffix
    youtube_id: str


def kinetics400(
    *, root: str | Path, lists: str | Path | None = None, allow_outside_root: bool = False, cache: FileCache | None = None
) -> VideoSplits:
    """Training and validation set; the validation set is `test`.

    Args:
        root: contains `train/` and `val/`, each with class folders or flat, and the CSV files (`train.csv`, `kinetics400_train.csv`,
            or in `annotations/`). Without CSV files the class folders give the classes.
        lists: the folder of the CSV files, if it is not below `root`.
        cache: for the URL of a server.

    Rows whose video is not on disk are counted (`VideoSplits.absent`) and skipped: many are no longer available.

    Raises:
        InputError: a folder that does not exist, a malformed CSV file, or no videos.
    """
    top = data_folder(root, cache=cache)
    list_root = top if lists is None else data_folder(lists, key="data.lists", cache=cache)
    train_videos = first_folder([top / name for name in PARTS["train"]])
    test_videos = first_folder([top / name for name in PARTS["test"]])
    train_csv, test_csv = (_csv(list_root, part=part) for part in ("train", "test"))
    if train_videos is None and test_videos is not None and train_csv is None:
        raise InputError(
            expected=f"a folder of training videos, '{top / 'train'}', next to '{test_videos.name}'",
            got="none, and no train.csv",
            hint="Add it, or set data=folder data.root=DIR to read only one folder.",
        )
    train, absent = _part(train_videos or top, csv_path=train_csv, top=top, allow_outside_root=allow_outside_root)
    if test_videos is None:
        if test_csv is not None:
            log.warning("%s exists without a folder '%s': no test videos", test_csv, top / PARTS["test"][0])
        return VideoSplits(train=train, absent=absent, published=True).told(root=top)
    test, test_absent = _part(test_videos, csv_path=test_csv, top=top, allow_outside_root=allow_outside_root, class_names=train.class_names)
    return VideoSplits(train=train, test=test, absent=absent + test_absent, published=True).told(root=top)


def _csv(folder: Folder, *, part: str) -> Folder | None:
    names = [f"{prefix}{name}.csv" for prefix in ("", "kinetics400_", "kinetics_", "k400_") for name in PARTS[part]]
    return next((path for subfolder in LIST_FOLDERS for name in names if (path := folder / subfolder / name).is_file()), None)


def _part(
    videos: Folder, *, csv_path: Folder | None, top: Folder, allow_outside_root: bool, class_names: tuple[str, ...] = ()
) -> tuple[Manifest, int]:
    if csv_path is None:
        return folder_manifest(videos, root=top, class_folders=True, class_names=class_names), 0
    rows = list(_rows(csv_path))
    names = tuple(sorted(({row.label for row in rows} | set(class_names)) - {""}))
    index = VideoIndex(videos)
    builder = ManifestBuilder(root=top)
    for row in rows:
        inside_root(row.name, root=videos, source=csv_path.name, allow_outside_root=allow_outside_root)
        path = index.find(row.name, parent=row.label) or index.find(row.youtube_id, parent=row.label)
        if path is not None:
            builder.add(videos / path, row.label)
    absent = len(rows) - len(builder)
    if not len(builder):
        raise _none_listed(videos, csv_path) if index else no_videos(videos)
    index.refuse_clashes()
    index.tell_unlisted(csv_path.name)
    if absent:
        log.warning("%s: %d of %d videos are not below %s; continuing without them", csv_path.name, absent, len(rows), videos)
    return builder.finish(class_names=names), absent


def _none_listed(videos: Folder, csv_path: Folder) -> InputError:
    return InputError(
        expected=f"the videos of '{csv_path}' below '{videos}', named <id>_<start>_<end>.mp4",
        got="none of them",
        hint="Set data.root=DIR and data.lists=DIR to the videos and their lists.",
    )


def _rows(path: Folder) -> Iterator[_Row]:
    with path.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.DictReader(lines)
        missing = {"label", "youtube_id", "time_start", "time_end"} - set(reader.fieldnames or ())
        if missing:
            raise InputError(
                expected=f"columns label, youtube_id, time_start, time_end in '{path}'",
                got=f"no {', '.join(sorted(missing))}",
                hint="Use the published CSV files of Kinetics-400.",
            )
        for fields in reader:
            try:
                start, end = int(float(fields["time_start"])), int(float(fields["time_end"]))
            except (TypeError, ValueError, OverflowError):
                raise InputError(
                    expected="whole seconds in time_start and time_end",
                    got=f"line {reader.line_num} of '{path}'",
                    hint="Correct that line.",
                ) from None
            identity = fields["youtube_id"]
            yield _Row(label=fields["label"], name=f"{identity}_{start:06d}_{end:06d}", youtube_id=identity)
