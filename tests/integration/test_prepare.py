"""`python -m vclr_pl.prepare`: each layout reads from its copy as from the original, with the same command but for the root."""

from __future__ import annotations

import csv
import subprocess
import sys
import time
from pathlib import Path

import hydra
import pytest
from hydra.utils import instantiate
from tests.integration.test_layouts import LAYOUTS
from tests.video_fixture import frame_numbers, write_broken, write_video

from vclr_pl.config_path import config_folder
from vclr_pl.datasets.manifest import Manifest
from vclr_pl.prepare import prepare
from vclr_pl.runner.run import run
from vclr_pl.video.choice import AutoDecoder

QUICK = ["set_copy.reencoder.short_side_pixels=32", "set_copy.processes=2"]


def command(tmp_path: Path, *arguments: str) -> int:
    return run(prepare, config_name="prepare", arguments=[*arguments, *QUICK, f"hydra.run.dir={tmp_path / 'run'}"])


def videos(manifest: Manifest, root: Path) -> list[tuple[str, int, tuple[float, float], list[int]]]:
    """Name below the root, label, span and the numbers of all frames."""
    decoder, found = AutoDecoder(threads=1, short_side_pixels=None), []
    for index in range(len(manifest)):
        with decoder.open(manifest.path(index)) as reader:
            numbers = frame_numbers(reader.frames(range(reader.frame_count)))
        name = Path(manifest.path(index)).relative_to(root).as_posix()
        found.append((name, manifest.label(index), manifest.span(index), numbers))
    return found


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_reads_from_the_copy(layout, tmp_path, capsys):
    root, output = tmp_path / "data", tmp_path / "copy"
    experiment = list(LAYOUTS[layout](root))
    kind = next((argument for argument in experiment if argument.startswith("data=")), experiment[0].replace("experiment=", "data="))
    chosen = [kind, *(argument for argument in experiment if argument.startswith("data."))]
    assert command(tmp_path, *chosen, f"output={output}") == 0, capsys.readouterr()
    with hydra.initialize_config_dir(config_dir=str(config_folder()), version_base="1.3"):
        original, copy = (
            instantiate(hydra.compose("train", overrides=[argument.replace(str(root), str(place)) for argument in experiment]).data)
            for place in (root, output)
        )
    assert copy.train.class_names == original.train.class_names
    assert videos(copy.train, output) == videos(original.train, root)
    if original.test is not None:
        assert videos(copy.test, output) == videos(original.test, root)


def test_a_video_that_does_not_decode_is_kept_and_told(tmp_path, capsys):
    write_video(tmp_path / "data/v.mp4")
    write_broken(tmp_path / "data/broken.mp4")
    assert command(tmp_path, f"data.root={tmp_path / 'data'}", f"output={tmp_path / 'copy'}") == 1
    with (tmp_path / "run/prepare.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["path"], row["status"], row["frames"]) for row in rows] == [("broken.mp4", "kept", "0"), ("v.mp4", "reencoded", "12")]
    assert float(rows[1]["seconds"]) > 0
    assert int(rows[1]["bytes_after"]) == (tmp_path / "copy/v.mp4").stat().st_size
    assert "copied unchanged: broken.mp4: Invalid data" in capsys.readouterr().out


def test_killed_in_the_middle_and_started_again_it_ends_with_the_same_files(tmp_path):
    for number in range(12):
        write_video(tmp_path / f"data/{number}.mp4", frames=30, height=192, width=256)
    root = f"data.root={tmp_path / 'data'}"
    assert command(tmp_path, root, f"output={tmp_path / 'unbroken'}") == 0
    arguments = [root, f"output={tmp_path / 'killed'}", *QUICK, "set_copy.processes=1", f"hydra.run.dir={tmp_path / 'killed_run'}"]
    killed = subprocess.Popen([sys.executable, "-m", "vclr_pl.prepare", *arguments])
    deadline = time.monotonic() + 120
    while not list((tmp_path / "killed").glob("*.mp4")) and time.monotonic() < deadline and killed.poll() is None:
        time.sleep(0.002)
    killed.kill()
    killed.wait()
    assert 0 < len(list((tmp_path / "killed").glob("*.mp4"))) < 12, "the kill came too late to show anything"
    assert command(tmp_path, root, f"output={tmp_path / 'killed'}") == 0
    unbroken, again = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("unbroken", "killed"))
    assert again == unbroken


def test_a_folder_with_links_to_its_own_files_is_copied(tmp_path, capsys):
    """The links are one video of the original, and files of their own in the copy."""
    write_video(tmp_path / "data/v.mp4")
    (tmp_path / "data/w.mp4").symlink_to("v.mp4")
    assert command(tmp_path, f"data.root={tmp_path / 'data'}", f"output={tmp_path / 'copy'}") == 0
    assert sorted(path.name for path in (tmp_path / "copy").glob("*.mp4")) == ["v.mp4", "w.mp4"]
    assert "1 files are links to other files and are read once: w.mp4" in capsys.readouterr().out


def test_bad_usage_is_2(tmp_path, capsys):
    write_video(tmp_path / "data/v.mp4")
    assert command(tmp_path, f"data.root={tmp_path / 'data'}") == 2
    assert "output" in capsys.readouterr().err
    assert command(tmp_path, f"data.root={tmp_path / 'data'}", f"output={tmp_path / 'data'}") == 2
    assert command(tmp_path, f"data.root={tmp_path / 'absent'}", f"output={tmp_path / 'copy'}") == 2
