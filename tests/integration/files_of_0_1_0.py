"""A copy of the files that 0.1.0 wrote, as if it had written them where the copy is.

Keys of kept features and stages depend on the absolute paths and the times of files, which git does not keep. `copy_files` replaces them;
its formulas are those of 0.1.0, and are checked against the stored keys first.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

FILES = Path(__file__).parents[1] / "fixtures" / "written_by_0_1_0"
WRITTEN_AT = Path("/srv/vclr_pl")
WRITTEN_NANOSECONDS = 1_793_491_200_000_000_000  # 2026-11-01, of every file whose time is part of a key
SEGMENTS = {"jump_a": ("training", 0.2, 0.7), "jump_b": ("training", 0.1, 0.5), "jump_c": ("validation", 0.3, 0.8)}
LISTS = {"train": "abc", "test": "d"}
POSITIONS, POINTS_PER_POSITION = 12, 3


def copy_files(target: Path) -> Path:
    shutil.copytree(FILES, target)
    for folder in ("videos", "prepared", "localized/features", "localized/checkpoints"):
        for path in (target / folder).rglob("*"):
            os.utime(path, ns=(WRITTEN_NANOSECONDS, WRITTEN_NANOSECONDS))
    for part in LISTS:
        _replace(target / "features" / part / "features.json", _list_digest(WRITTEN_AT, part), _list_digest(target, part))
    for identity in SEGMENTS:
        _replace(target / "localized/resampled" / f"{identity}.key", _resampled_key(WRITTEN_AT, identity), _resampled_key(target, identity))
    trained, judged = ("jump_a", "jump_b"), ("jump_c",)
    _replace(target / "localized/localizer.json", _data_digest(WRITTEN_AT, trained), _data_digest(target, trained))
    _replace(target / "localized/proposals/made_of.json", _data_digest(WRITTEN_AT, judged), _data_digest(target, judged))
    _replace(target / "localized/proposals/made_of.json", str(WRITTEN_AT), str(target))
    return target


def kept_features(root: Path, part: str) -> str:
    """Under which name `evaluate` keeps the features of `root/features/PART`."""
    description = json.loads((root / "features" / part / "features.json").read_text())
    return _digest(json.dumps(description, sort_keys=True))


def _replace(file: Path, written: str, here: str) -> None:
    content = file.read_text()
    assert content.count(written) == 1, f"{file} does not hold {written}: the formula is not 0.1.0's"
    file.write_text(content.replace(written, here))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _list_digest(root: Path, part: str) -> str:
    videos = [(label, f"videos/{part}/{kind}/{kind}_{name}.mp4") for label, kind in enumerate(("jump", "run")) for name in LISTS[part]]
    stamps = [(str(root / path), label, (0.0, 1.0), (_size(path), WRITTEN_NANOSECONDS)) for label, path in videos]
    return _digest(_joined(stamps) + repr(("jump", "run")))


def _resampled_key(root: Path, identity: str) -> str:
    path = f"localized/features/{identity}.npy"
    stamp = (str(root / path), _size(path), WRITTEN_NANOSECONDS, POSITIONS, POINTS_PER_POSITION, False)
    return hashlib.sha256(repr(stamp).encode()).hexdigest()


def _data_digest(root: Path, identities: Iterable[str]) -> str:
    """Of the annotations, the seconds that the snippets cover, and the key of the resampled features."""
    text = ""
    for identity in identities:
        subset, start, end = SEGMENTS[identity]
        segment = f"AnnotatedSegment(label='jump', start_seconds={start}, end_seconds={end})"
        video = f"AnnotatedVideo(identity='{identity}', subset='{subset}', duration_seconds=0.96, segments=({segment},))"
        text += f"({video}, 0.96, '{_resampled_key(root, identity)}')"
    return _digest(text)


def _joined(parts: Iterable[object]) -> str:
    return "".join(map(repr, parts))


def _size(path: str) -> int:
    return (FILES / path).stat().st_size
