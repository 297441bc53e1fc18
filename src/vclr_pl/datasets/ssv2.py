"""Something-Something v2 in its official layout: `<id>.webm` files and JSON lists."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vclr_pl.datasets.manifest import Manifest, VideoSplits
from vclr_pl.datasets.video_list import listed_manifest
from vclr_pl.datasets.video_scan import data_folder, first_folder
from vclr_pl.remote.cache import FileCache
from vclr_pl.remote.path import Folder
from vclr_pl.types import InputError

VIDEO_FOLDERS = ("20bn-something-something-v2", "something-something-v2", "videos", "sthv2", "ssv2")
LIST_FOLDERS = ("", "labels", "annotations", "lists")
NUMBER = re.compile(r"[0-9]{1,18}")
PREFIXES = ("something-something-v2-", "")


def ssv2(
    *, root: str | Path, lists: str | Path | None = None, allow_outside_root: bool = False, cache: FileCache | None = None
) -> VideoSplits:
    """Training and validation set; the validation set is `test`, because the test set's labels are not public.

    Args:
        root: contains `20bn-something-something-v2/*.webm` and `something-something-v2-{train,validation,labels}.json`, or the later
            release's `labels/{train,validation,labels}.json`.
        lists: the folder of the JSON files, if it is not below `root`.
        cache: for the URL of a server.

    Raises:
        InputError: a folder, a list, or a video of the lists does not exist, or a template has no label.
    """
    folder = data_folder(root, cache=cache)
    videos = first_folder([folder / name for name in VIDEO_FOLDERS]) or folder
    list_folder = folder if lists is None else data_folder(lists, key="data.lists", cache=cache)
    class_names = _class_names(_json(list_folder, name="labels"))
    number_of = {template: number for number, template in enumerate(class_names)}

    def manifest(name: str) -> Manifest:
        entries = _entries(_json(list_folder, name=name), number_of=number_of)
        return listed_manifest(entries, root=videos, source=f"{name}.json", allow_outside_root=allow_outside_root, class_names=class_names)

    return VideoSplits(train=manifest("train"), test=manifest("validation"), published=True).told(root=folder)


def _class_names(labels: Any) -> tuple[str, ...]:
    """Templates, ordered by their numbers, `{"Holding something": "0", ...}`, which may have gaps."""
    if not isinstance(labels, dict) or not all(NUMBER.fullmatch(str(number)) for number in labels.values()):
        raise InputError(expected="labels.json to give each template a number", got="other content", hint="Use the published labels.json.")
    return tuple(sorted(labels, key=lambda template: int(labels[template])))


def _json(folder: Folder, *, name: str) -> Any:
    candidates = [folder / subfolder / f"{prefix}{name}.json" for subfolder in LIST_FOLDERS for prefix in PREFIXES]
    path = next((path for path in candidates if path.is_file()), None)
    if path is None:
        raise InputError(
            expected=f"Something-Something v2's list '{candidates[0]}'",
            got="no such file, nor one below labels/",
            hint="Unpack the labels into data.root=DIR, or set data.lists=DIR.",
        )
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise _no_list(f"'{path}', which is not JSON ({error})") from None


def _no_list(got: str) -> InputError:
    return InputError(
        expected="lists of Something-Something v2, JSON with 'id' and 'template'",
        got=got,
        hint="Use the published files.",
    )


def _entries(videos: list[dict[str, Any]], *, number_of: dict[str, int]) -> Iterator[tuple[str, int]]:
    """`{"id": ..., "template": "Moving [something] up"}`; the labels' file writes templates without brackets."""
    for number, video in enumerate(videos):
        if not isinstance(video, dict) or not {"id", "template"} <= set(video):
            raise _no_list(f"an entry {number} of another format")
        template = str(video["template"]).replace("[", "").replace("]", "")
        if template not in number_of:
            raise InputError(
                expected="the templates of labels.json",
                got=f"'{template}' of video {video['id']}",
                hint="Use all JSON files from the same release of Something-Something v2.",
            )
        yield f"{video['id']}.webm", number_of[template]
