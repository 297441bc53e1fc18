"""The file of a video on a server while it is read."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from tests.remote_server import Fault, http_server
from tests.video_fixture import frame_numbers, write_broken, write_video

from vclr_pl.datasets.folder import folder
from vclr_pl.datasets.video_file import held, local_file, size_and_seconds
from vclr_pl.remote.cache import FileCache
from vclr_pl.remote.path import RemotePath
from vclr_pl.types import InputError
from vclr_pl.video.protocol import VideoReadError
from vclr_pl.video.pyav import PyavDecoder


@pytest.fixture
def server(tmp_path):
    write_video(tmp_path / "set" / "a.mp4", frames=6)
    write_broken(tmp_path / "set" / "bad.mp4")
    with http_server(tmp_path / "set") as proxy:
        yield proxy


@pytest.fixture
def manifest(server, tmp_path):
    return folder(root=server.url, cache=FileCache(folder=str(tmp_path / "cache"), gigabytes=1e-5, tries=2, pause_seconds=0)).train


def test_frames_of_a_video_on_a_server(manifest, tmp_path):
    decoder = manifest.decoder(PyavDecoder(threads=1, short_side_pixels=None))
    copied = pickle.loads(pickle.dumps(decoder))
    with PyavDecoder(threads=1, short_side_pixels=None).open(tmp_path / "set" / "a.mp4") as local:
        expected = local.frames([0, 5, 3])
    for each in (decoder, copied):
        with each.open(manifest.path(0)) as reader:
            assert reader.frame_count == 6
            assert reader.backend == "pyav"
            assert bool((reader.frames([0, 5, 3]) == expected).all())
            assert frame_numbers(reader.frames([0])) == frame_numbers(expected[:1])


def test_a_broken_video_has_its_url_and_the_decoders_reason(manifest):
    with pytest.raises(VideoReadError) as failure:
        manifest.decoder(PyavDecoder(threads=1, short_side_pixels=None)).open(manifest.path(1))
    assert (failure.value.path, failure.value.backend) == (manifest.path(1), "pyav")
    assert "Invalid data" in failure.value.reason


def test_a_video_that_does_not_arrive_is_broken_with_the_reason(server, manifest):
    server.faults.append(Fault(503, times=9))
    with (
        pytest.raises(VideoReadError, match=r"transfer cannot read it: not transferred in 2 tries: .*503") as failure,
        manifest.local_file(0),
    ):
        pass
    assert failure.value.is_temporary


def test_the_file_stays_while_it_is_open(manifest, tmp_path):
    reader = manifest.decoder(PyavDecoder(threads=1, short_side_pixels=None)).open(manifest.path(0))
    cache = manifest.remote.cache
    for key in ("aa", "bb"):
        with cache.held(key, suffix="", size=9000, fetch=lambda draft: draft.write_bytes(bytes(9000))):
            pass
    assert len(list((tmp_path / "cache/files").rglob("*.mp4"))) == 1
    reader.close()
    with cache.held("cc", suffix="", size=9000, fetch=lambda draft: draft.write_bytes(bytes(9000))):
        pass
    assert not list((tmp_path / "cache/files").rglob("*.mp4"))


def test_stamps_change_with_the_file(manifest, server, tmp_path):
    first = manifest.stamp(0), size_and_seconds(RemotePath(manifest.remote, "a.mp4"))
    write_video(tmp_path / "set" / "a.mp4", frames=7)
    later = folder(root=server.url, cache=manifest.remote.cache).train
    assert first[0] != later.stamp(0)
    assert first[1] != size_and_seconds(RemotePath(later.remote, "a.mp4"))


def test_other_paths_are_as_they_are(manifest, tmp_path):
    with local_file("/other/a.mp4", remote=manifest.remote) as path, held(tmp_path / "b.mp4") as other:
        assert (path, other) == ("/other/a.mp4", str(tmp_path / "b.mp4"))
    assert Path(path)


def test_an_address_without_videos_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with http_server(tmp_path / "empty") as proxy, pytest.raises(InputError, match="no file"):
        folder(root=proxy.url, cache=FileCache(folder=str(tmp_path / "cache")))
