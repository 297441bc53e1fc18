"""Every layout that users hold pretrains: one batch of each, through the command that they type."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.video_fixture import (
    copies,
    make_activitynet,
    make_hmdb51,
    make_kinetics400,
    make_ssv2,
    make_ucf101,
    write_lines,
)

from vclr_pl.runner.run import run
from vclr_pl.train import train

SMALL = [
    "debug=one_batch",
    "transform.size_pixels=32",
    "head.dim=8",
    "loader.batch_size=2",
    "loader.workers=0",
    "queue.inter.length=64",
    "queue.segment.length=64",
    "trainer=cpu",
]


def folder_of_videos(root: Path) -> list[str]:
    copies(root / name for name in ("one class/a b.mp4", "other class/ü.mp4", "other class/-c.mp4"))
    return ["experiment=folder", f"data.root={root}"]


def list_of_videos(root: Path) -> list[str]:
    copies(root / name for name in ("a b.mp4", "ü/comma, dot.mp4"))
    path = write_lines(root / "list.csv", ["path,label", "a b.mp4,run", '"ü/comma, dot.mp4",sit'])
    return ["experiment=folder", "data=video_list", f"data.root={root}", f"data.train={path}"]


LAYOUTS = {
    "ucf101": lambda root: ["experiment=ucf101", f"data.root={make_ucf101(root)}"],
    "hmdb51": lambda root: ["experiment=hmdb51", f"data.root={make_hmdb51(root)}"],
    "kinetics400": lambda root: ["experiment=kinetics400", f"data.root={make_kinetics400(root)}"],
    "ssv2": lambda root: ["experiment=ssv2", f"data.root={make_ssv2(root)}"],
    "activitynet": lambda root: ["experiment=activitynet", f"data.root={make_activitynet(root)}"],
    "activitynet by segment": lambda root: ["experiment=activitynet", f"data.root={make_activitynet(root)}", "data.trim=true"],
    "folder": folder_of_videos,
    "video_list": list_of_videos,
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_one_batch(layout, tmp_path, capsys):
    chosen = LAYOUTS[layout](tmp_path / "data")
    arguments = [*chosen, *SMALL, "backbone=small_resnet", "backbone.widths=[8,16]", f"hydra.run.dir={tmp_path / 'run'}"]
    assert run(train, config_name="train", arguments=arguments) == 0, capsys.readouterr()


def test_one_batch_of_clips(tmp_path, capsys):
    """A 3D network with the same objective: four frames a clip, two apart."""
    chosen = LAYOUTS["ucf101"](tmp_path / "data")
    clips = ["backbone=r3d_18", "sampling=clips", "sampling.frames_per_clip=4"]
    assert run(train, config_name="train", arguments=[*chosen, *SMALL, *clips, f"hydra.run.dir={tmp_path / 'run'}"]) == 0, (
        capsys.readouterr()
    )
