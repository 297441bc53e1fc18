"""What identifies weights and folders of videos."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from vclr_pl.runner.run_inputs import MIB, READ_FILES, identity_of_videos, identity_of_weights


def test_what_identifies_weights(tmp_path: Path) -> None:
    """The first and the last MiB of a file, and of a run folder its encoder."""
    file, content = tmp_path / "last.ckpt", bytearray(3 * MIB)
    found = []
    for place in (None, 0, MIB - 1, 2 * MIB, 3 * MIB - 1):
        if place is not None:
            content[place] += 1
        file.write_bytes(content)
        found.append(identity_of_weights(str(file)))
    file.write_bytes(content + b"0")
    assert len({*found, identity_of_weights(str(file))}) == 6
    folders = [tmp_path / name / "run" for name in ("a", "b", "c")]
    for folder, text in zip(folders, ("one", "two", "one"), strict=True):
        folder.mkdir(parents=True)
        (folder / "results.json").write_text(text)
    first, second, third = (identity_of_weights(str(folder)) for folder in folders)
    assert first == third != second
    (folders[2] / "backbone.safetensors").write_text("other")
    assert identity_of_weights(str(folders[2])) != first
    assert identity_of_weights("hf://owner/name") == "hf://owner/name"


def test_what_identifies_videos(tmp_path: Path) -> None:
    """Names, sizes and the content of lists; not where the folder is."""
    root = tmp_path / "ucf101"
    (root / "videos" / "run").mkdir(parents=True)
    for name in ("videos/run/a.mp4", "videos/run/b.mp4", "train.txt"):
        (root / name).write_text("12")
    found = [identity_of_videos(str(root))]
    assert found[0].startswith("3 files ")
    assert identity_of_videos(str(shutil.copytree(root, tmp_path / "copy"))) == found[0]
    (root / ".cache").write_text("of the system")
    assert identity_of_videos(str(root)) == found[0]
    (root / "train.txt").write_text("21")
    found.append(identity_of_videos(str(root)))
    (root / "videos/run/a.mp4").write_text("123")
    found.append(identity_of_videos(str(root)))
    (root / "videos/run/a.mp4").rename(root / "videos/run/c.mp4")
    found.append(identity_of_videos(str(root)))
    (root / "videos/run/b.mp4").unlink()
    found.append(identity_of_videos(str(root)))
    assert len(set(found)) == 5
    assert identity_of_videos("s3://bucket/ucf101") == "s3://bucket/ucf101"


def test_links_and_odd_names_in_a_folder_of_videos(tmp_path: Path) -> None:
    """A linked folder is part of it; a link to nothing and a name that is not UTF-8 are names."""
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "a.mp4").touch()
    root = tmp_path / "root"
    root.mkdir()
    (root / "train").symlink_to(tmp_path / "there")
    (root / "b.txt").symlink_to(tmp_path / "nothing")
    (root / os.fsdecode(b"\xff.mp4")).touch()
    assert identity_of_videos(str(root)).startswith("3 files ")


def test_many_videos_are_read_in_part(tmp_path: Path) -> None:
    for number in range(2 * READ_FILES):
        (tmp_path / f"{number:04}.mp4").touch()
    before = identity_of_videos(str(tmp_path))
    (tmp_path / "0001.mp4").rename(tmp_path / "0001.avi")
    assert before.startswith("2000 files ")
    assert identity_of_videos(str(tmp_path)) != before
