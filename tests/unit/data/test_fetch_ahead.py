"""Files are fetched before they are asked for, in their order and within limits."""

from __future__ import annotations

import time

import pytest
from tests.remote_server import Fault, http_server
from tests.video_fixture import copies

from vclr_pl.data import fetch_ahead
from vclr_pl.data.fetch_ahead import FetchAhead, followed
from vclr_pl.datasets.folder import folder
from vclr_pl.remote.cache import FileCache

MOST_SECONDS = 120.0


@pytest.fixture
def server(tmp_path):
    copies(tmp_path / "set" / f"{number}.mp4" for number in range(6))
    with http_server(tmp_path / "set") as proxy:
        yield proxy


def manifest_of(server, tmp_path, **options):
    return folder(root=server.url, cache=FileCache(**{"folder": str(tmp_path / "cache"), "gigabytes": 1, **options})).train


def arrived(tmp_path, *, count: int) -> int:
    """The number of files in the cache, when there are `count`."""
    ends = time.monotonic() + MOST_SECONDS
    while (found := len(list((tmp_path / "cache/files").rglob("*.mp4")))) < count and time.monotonic() < ends:
        time.sleep(0.02)
    return found


def test_files_follow_what_is_read_in_order(server, tmp_path, monkeypatch):
    monkeypatch.setattr(fetch_ahead, "MOST_FILES", 2)
    manifest = manifest_of(server, tmp_path, connections=1)
    order = [4, 0, 5, 1, 2, 3]
    with FetchAhead(remote=manifest.remote, paths=(manifest.path(index) for index in order)) as ahead:
        assert arrived(tmp_path, count=2) == 2
        assert [path for method, path in server.requests if method == "GET"][1:] == ["/4.mp4", "/0.mp4"]
        ahead.passed(1)
        assert arrived(tmp_path, count=3) == 3
        ahead.passed(2)
        assert arrived(tmp_path, count=5) == 5
    assert [path for method, path in server.requests if method == "GET"][1:] == [f"/{index}.mp4" for index in order[:5]]


def test_bytes_are_limited(server, tmp_path):
    size = (tmp_path / "set/0.mp4").stat().st_size
    manifest = manifest_of(server, tmp_path, gigabytes=16 * 3.5 * size / 1e9)
    with FetchAhead(remote=manifest.remote, paths=map(manifest.path, range(6))) as ahead:
        assert arrived(tmp_path, count=3) == 3
        assert list(ahead._sizes) == [size] * 3


def test_a_file_that_does_not_arrive_stops_nothing(server, tmp_path):
    manifest = manifest_of(server, tmp_path, tries=1, connections=1)
    server.faults.append(Fault(503, times=1))
    with FetchAhead(remote=manifest.remote, paths=map(manifest.path, range(6))):
        assert arrived(tmp_path, count=5) == 5


def test_paths_are_the_same(server, tmp_path):
    manifest = manifest_of(server, tmp_path)
    paths = [manifest.path(index) for index in range(6)]
    assert list(followed(paths, remote=manifest.remote)) == paths
    assert list(followed(paths, remote=None)) == paths
