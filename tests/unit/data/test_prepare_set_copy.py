"""A folder's copy: every file under its name, whole or absent, continued where it stopped, the original untouched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.video_fixture import write_broken, write_lines, write_video

from vclr_pl.data.copied_file import CopiedFile, summary
from vclr_pl.data.prepare import SETTINGS_FILE, Reencoder, SetCopy
from vclr_pl.types import InputError

SETTINGS = {"short_side_pixels": 32, "keyframe_every": 8, "crf": 23, "preset": "veryfast", "tune": "fastdecode", "enlarge": True}


class SpitefulReencoder(Reencoder):
    """Hangs on one name; for the others as usual."""

    def encode(self, source, target, *, each_frame):
        if Path(source).name == "hang.mp4":
            import time  # the child is a fork of this process

            time.sleep(60)
        return super().encode(source, target, each_frame=each_frame)


def set_copy(*, kind=Reencoder, decode_timeout_seconds=20, **changes):
    return SetCopy(reencoder=kind(**{**SETTINGS, **changes}), processes=2, decode_timeout_seconds=decode_timeout_seconds)


def copied(root: Path, output: Path, **options) -> dict[str, str]:
    copy = set_copy(**options)
    return {row.path: row.status for row in copy.copy(copy.plan(root=root, output=output), root=root, output=output)}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_video(tmp_path / "root/b/x y.avi")
    write_video(tmp_path / "root/b/z.mp4")
    write_lines(tmp_path / "root/lists/train.txt", ["b/x y.avi 1"])
    write_broken(tmp_path / "root/broken.mp4")
    write_broken(tmp_path / "root/b/.hidden.mp4")
    return tmp_path / "root"


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in sorted(folder.rglob("*")) if path.is_file()}


def test_every_file_has_its_copy_and_the_original_is_untouched(root, tmp_path):
    before = snapshot(root)
    rows = copied(root, tmp_path / "copy")
    assert rows == {"broken.mp4": "kept", "b/x y.avi": "reencoded", "b/z.mp4": "reencoded", "lists/train.txt": "copied"}
    assert snapshot(root) == before
    found = {path.relative_to(tmp_path / "copy").as_posix() for path in (tmp_path / "copy").rglob("*") if path.is_file()}
    assert found == {*rows, SETTINGS_FILE}
    assert (tmp_path / "copy/broken.mp4").read_text() == "no video at all"
    assert (tmp_path / "copy/lists/train.txt").read_text() == "b/x y.avi 1\n"


def test_it_goes_on_where_it_stopped(root, tmp_path):
    first = set_copy()
    files = first.plan(root=root, output=tmp_path / "copy")
    rows = first.copy(files, root=root, output=tmp_path / "copy")
    next(rows)
    rows.close()  # interrupted
    copied(root, tmp_path / "copy")
    done = snapshot(tmp_path / "copy")
    assert copied(root, tmp_path / "copy") == {path: "kept" if path == "broken.mp4" else "present" for path in files}
    assert {path: content for path, content in snapshot(tmp_path / "copy").items() if "broken" not in path} == {
        path: content for path, content in done.items() if "broken" not in path
    }
    assert not list((tmp_path / "copy").rglob("*.unfinished"))


def test_what_changed_since_is_copied_anew(root, tmp_path):
    copied(root, tmp_path / "copy")
    os.utime(root / "b/z.mp4", (1e9, 1e9))
    assert copied(root, tmp_path / "copy")["b/z.mp4"] == "reencoded"


def test_a_decoder_that_hangs_costs_one_video(root, tmp_path):
    write_video(root / "hang.mp4")
    rows = copied(root, tmp_path / "copy", kind=SpitefulReencoder, decode_timeout_seconds=1)
    assert rows["hang.mp4"] == "kept"
    assert rows["b/z.mp4"] == "reencoded"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_what_cannot_even_be_copied_is_a_row_and_ends_nothing(root, tmp_path):
    (root / "dangling.mp4").symlink_to(root / "nowhere.mp4")
    os.mkfifo(root / "pipe.mp4")
    rows = copied(root, tmp_path / "copy")
    assert (rows["dangling.mp4"], rows["pipe.mp4"]) == ("absent", "absent")
    assert rows["b/z.mp4"] == "reencoded"


def test_folders_that_are_no_place_for_a_copy(root, tmp_path):
    for output in (root, root / "inside", tmp_path):
        with pytest.raises(InputError, match=r"output and data\.root outside each other"):
            set_copy().plan(root=root, output=output)
    write_lines(tmp_path / "full/notes.txt", ["mine"])
    with pytest.raises(InputError, match="contains files"):
        set_copy().plan(root=root, output=tmp_path / "full")
    set_copy().plan(root=root, output=tmp_path / "copy")
    with pytest.raises(InputError, match="videos of another keyframe_every"):
        set_copy(keyframe_every=4).plan(root=root, output=tmp_path / "copy")


def test_the_summary():
    rows = [
        CopiedFile("a.mp4", "reencoded", 3_000_000, 1_000_000, 10, 1.0, ""),
        CopiedFile("b.mp4", "kept", 500_000, 500_000, 0, 0.0, "no frames"),
        CopiedFile("c.mp4", "present", 1, 1, 0, 0.0, ""),
        CopiedFile("list.txt", "copied", 7_000_000, 7_000_000, 0, 0.0, ""),
    ]
    assert summary(rows) == "1 videos re-encoded, 1 copied unchanged: 3.5 MB became 1.5 MB; 1 files already existed"
