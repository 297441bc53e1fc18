"""Every layout gives the same list from an S3 server as from the disk."""

from __future__ import annotations

import functools

import pytest
from tests.video_fixture import copies, make_activitynet, make_hmdb51, make_kinetics400, make_ssv2, make_ucf101, write_lines

from vclr_pl.datasets.activitynet import activitynet
from vclr_pl.datasets.folder import folder, folder_or_file
from vclr_pl.datasets.hmdb51 import hmdb51
from vclr_pl.datasets.kinetics400 import kinetics400
from vclr_pl.datasets.ssv2 import ssv2
from vclr_pl.datasets.ucf101 import ucf101
from vclr_pl.datasets.untrimmed import localization_set
from vclr_pl.datasets.video_list import video_list
from vclr_pl.remote.cache import FileCache
from vclr_pl.types import InputError


def make_folder(root):
    return copies(root / name for name in ("train/bus/2.mp4", "train/bus/10.mp4", "train/car/1.mp4", "val/car/3.mp4", "other/4.mp4"))


LAYOUTS = {
    "folder": (make_folder, folder),
    "ucf101": (make_ucf101, functools.partial(ucf101, split=1)),
    "hmdb51": (make_hmdb51, functools.partial(hmdb51, split=1)),
    "kinetics400": (make_kinetics400, kinetics400),
    "kinetics400_flat": (functools.partial(make_kinetics400, class_folders=False), kinetics400),
    "ssv2": (make_ssv2, ssv2),
    "activitynet": (make_activitynet, functools.partial(activitynet, trim=False)),
    "activitynet_trimmed": (make_activitynet, functools.partial(activitynet, trim=True)),
}


def content(manifest, root) -> list:
    assert manifest.path(0).startswith(f"{root}/")
    return [(manifest.path(index)[len(str(root)) :], manifest.label(index), manifest.span(index)) for index in range(len(manifest))]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_list_is_that_of_the_disk(s3, tmp_path, layout):
    make, read = LAYOUTS[layout]
    make(tmp_path / "set")
    url = s3.upload(tmp_path / "set", f"{tmp_path.name}/set")
    disk, server = read(root=tmp_path / "set"), read(root=url, cache=FileCache(folder=str(tmp_path / "cache")))
    assert content(server.train, url) == content(disk.train, tmp_path / "set")
    assert server.train.class_names == disk.train.class_names
    assert (server.test is None) == (disk.test is None)
    if disk.test is not None and server.test is not None:
        assert content(server.test, url) == content(disk.test, tmp_path / "set")


def test_a_list_of_videos(s3, tmp_path):
    make_folder(tmp_path / "set")
    lines = ["train/bus/2.mp4 0", "other/4.avi 1"]  # a re-encoded copy of 4.avi
    train = write_lines(tmp_path / "train.txt", lines)
    url = s3.upload(tmp_path / "set", f"{tmp_path.name}/set")
    cache = FileCache(folder=str(tmp_path / "cache"))
    server, disk = video_list(root=url, train=train, cache=cache), video_list(root=tmp_path / "set", train=train)
    assert content(server.train, url) == content(disk.train, tmp_path / "set")
    for line in ("../set/train/bus/2.mp4 0", "/etc/passwd.mp4 0"):
        with pytest.raises(InputError, match="inside"):
            video_list(root=url, train=write_lines(tmp_path / "bad.txt", ["train/bus/2.mp4 0", line]), cache=cache)
    with pytest.raises(InputError, match="1 missing"):
        video_list(root=url, train=write_lines(tmp_path / "bad.txt", ["train/bus/2.mp4 0", "train/bus/9.mp4 0"]), cache=cache)


def test_one_file(s3, tmp_path):
    make_folder(tmp_path / "set")
    url = s3.upload(tmp_path / "set", f"{tmp_path.name}/set")
    splits = folder_or_file(root=f"{url}/other/4.mp4", cache=FileCache(folder=str(tmp_path / "cache")))
    assert [splits.train.path(0)] == [f"{url}/other/4.mp4"]


def test_untrimmed_videos_are_on_the_disk(tmp_path):
    with pytest.raises(InputError, match=r"untrimmed\.root on a local disk"):
        localization_set(root="s3://bucket/videos", annotations=str(tmp_path / "annotations.json"))
