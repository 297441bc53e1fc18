"""A query is a folder or one file."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.video_fixture import write_video

from vclr_pl.data.split.folder_or_file import folder_or_file
from vclr_pl.types import InputError


def test_a_file_is_one_video_without_a_label(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4")
    splits = folder_or_file(root=path)
    assert [splits.train[0], len(splits.train), splits.test] == [(str(path), {"label": -1}), 1, None]
    assert not splits.published


def test_a_folder_is_as_ever(tmp_path: Path) -> None:
    for name in ("run/a.mp4", "jump/b.mp4"):
        write_video(tmp_path / name)
    assert folder_or_file(root=tmp_path).train.class_names == ("jump", "run")
    assert not folder_or_file(root=tmp_path, class_folders=False).train.labeled
    with pytest.raises(InputError, match="does not exist"):
        folder_or_file(root=tmp_path / "absent")
