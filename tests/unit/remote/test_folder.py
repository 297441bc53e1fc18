"""Files of an S3 server and of a web server that is slow, cuts off, refuses, changes, or ends."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from pytorch_lightning.plugins.environments import LightningEnvironment
from tests.remote_server import BUCKET, SECRET, Fault, http_server

from vclr_pl.remote.cache import FileCache
from vclr_pl.remote.folder import TransferError, open_file, open_folder
from vclr_pl.runner.rank_launch import RankLauncher
from vclr_pl.types import InputError

CONTENT = {name: hashlib.sha256(name.encode()).digest() * 500 for name in ("class0/a.mp4", "class0/b.mp4", "class1/c.mp4")}


@pytest.fixture
def videos(tmp_path) -> Path:
    for name, content in CONTENT.items():
        (tmp_path / "videos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "videos" / name).write_bytes(content)
    return tmp_path / "videos"


@pytest.fixture
def cache(tmp_path) -> FileCache:
    return FileCache(folder=str(tmp_path / "cache"), gigabytes=1, tries=3, pause_seconds=0.001)


@pytest.fixture
def url(s3, videos, tmp_path) -> str:
    return s3.upload(videos, tmp_path.name)


def content(folder, name: str) -> bytes:
    with folder.held(f"{folder.url}/{name}") as local:
        return Path(local).read_bytes()


def test_every_file_is_fetched_once_by_all_runs(s3, url, cache):
    for _ in range(2):
        folder = open_folder(url, cache=cache)
        assert {name: content(folder, name) for name in CONTENT} == CONTENT
    assert len(s3.proxy.fetched()) == len(CONTENT)


def test_a_listing_takes_a_request_for_each_folder(s3, url, cache):
    open_folder(url, cache=cache)
    assert [method for method, _ in s3.proxy.requests] == ["GET"] * 3  # the top, class0 and class1


@pytest.mark.parametrize("kind", ["slow", "cut", 503])
def test_a_disturbed_transfer_is_repeated(s3, url, cache, kind):
    folder = open_folder(url, cache=cache)
    s3.proxy.faults.append(Fault(kind))
    assert content(folder, "class0/a.mp4") == CONTENT["class0/a.mp4"]
    assert not s3.proxy.faults[0].times


def test_a_listing_is_repeated_after_503(s3, url, cache):
    s3.proxy.faults.append(Fault(503, hits=lambda method, path: "list-type" in path))
    assert len(open_folder(url, cache=cache).listing) == len(CONTENT)


def test_a_file_that_changed_since_it_was_listed_is_noticed(s3, url, cache):
    folder = open_folder(url, cache=cache)
    s3.client.put_object(Bucket=BUCKET, Key=f"{url.partition(BUCKET)[2][1:]}/class0/a.mp4", Body=CONTENT["class0/b.mp4"])
    with pytest.raises(TransferError, match="has changed on the server"):
        content(folder, "class0/a.mp4")
    assert content(open_folder(url, cache=cache), "class0/a.mp4") == CONTENT["class0/b.mp4"]


def test_a_file_that_was_uploaded_in_parts_is_compared_with_its_tag(s3, url, cache):
    key = f"{url.partition(BUCKET)[2][1:]}/parts.mp4"

    def upload(last: bytes) -> None:
        number = s3.client.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
        bodies = {1: bytes(5 * 2**20), 2: last}
        parts = [
            {"PartNumber": part, "ETag": s3.client.upload_part(Bucket=BUCKET, Key=key, UploadId=number, PartNumber=part, Body=body)["ETag"]}
            for part, body in bodies.items()
        ]
        s3.client.complete_multipart_upload(Bucket=BUCKET, Key=key, UploadId=number, MultipartUpload={"Parts": parts})

    upload(b"x")
    folder = open_folder(url, cache=cache)
    assert content(folder, "parts.mp4")[-1:] == b"x"
    upload(b"y")  # of the same size
    other = dataclasses.replace(folder, cache=dataclasses.replace(cache, folder=f"{cache.folder}2"))
    with pytest.raises(TransferError, match="has changed on the server"):
        content(other, "parts.mp4")


def test_a_file_that_is_gone_is_said(s3, url, cache):
    folder = open_folder(url, cache=cache)
    s3.client.delete_object(Bucket=BUCKET, Key=f"{url.partition(BUCKET)[2][1:]}/class0/a.mp4")
    with pytest.raises(TransferError, match="no longer on the server") as failure:
        content(folder, "class0/a.mp4")
    assert not failure.value.is_temporary


def test_a_server_that_ends_is_tried_some_times(videos, cache):
    with http_server(videos) as proxy:
        folder = open_folder(proxy.url, cache=cache)
        assert content(folder, "class0/a.mp4") == CONTENT["class0/a.mp4"]
    assert content(folder, "class0/a.mp4") == CONTENT["class0/a.mp4"]  # from the cache
    with pytest.raises(TransferError, match="not transferred in 3 tries: ") as failure:
        content(folder, "class0/b.mp4")
    assert failure.value.is_temporary


@pytest.mark.parametrize("kind", ["cut", 503])
def test_a_disturbed_web_server(videos, cache, kind):
    with http_server(videos) as proxy:
        folder = open_folder(proxy.url, cache=cache)
        proxy.faults.append(Fault(kind, times=2))
        assert content(folder, "class1/c.mp4") == CONTENT["class1/c.mp4"]
        (videos / "class0/a.mp4").write_bytes(b"another")
        with pytest.raises(TransferError, match="has changed on the server"):
            content(folder, "class0/a.mp4")


def test_wrong_credentials_are_one_line_without_them(s3, url, cache):
    s3.require_signatures("0")
    with pytest.raises(InputError) as failure:
        open_folder(url, cache=cache)
    line = str(failure.value)
    assert f"a folder that can be listed at '{url}'" in line
    assert "PermissionError" in line or "Access" in line
    assert SECRET not in line
    assert "\n" not in line


def test_processes_that_start_together_list_once(s3, url, cache):
    s3.proxy.faults.append(Fault("slow", hits=lambda method, path: "list-type" in path, times=9))
    folders = []
    threads = [threading.Thread(target=lambda: folders.append(open_folder(url, cache=cache))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(folders) == 4
    assert len(s3.proxy.requests) == 3


OPEN = """
import sys
from vclr_pl.remote.cache import FileCache
from vclr_pl.remote.folder import open_folder
print(len(open_folder(sys.argv[1], cache=FileCache(folder=sys.argv[2])).listing))
"""


class OpeningLauncher(RankLauncher):
    """Starts, in place of the further ranks, a process that opens the folder."""

    def __init__(self, command):
        super().__init__(LightningEnvironment(), num_processes=1, num_nodes=1)
        self.command = command

    def _call_children_scripts(self):
        self.procs = [subprocess.Popen(self.command, stdout=subprocess.PIPE, text=True)]


def test_ranks_that_a_run_starts_do_not_list(s3, url, cache, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    open_folder(url, cache=cache)
    begun = len(s3.proxy.requests)
    command = [sys.executable, "-c", OPEN, url, cache.folder]
    launcher = OpeningLauncher(command)
    launcher.launch(lambda: None)
    assert launcher.procs[0].communicate()[0] == f"{len(CONTENT)}\n"
    assert len(s3.proxy.requests) == begun
    subprocess.run(command, capture_output=True, check=True)  # of another run
    assert len(s3.proxy.requests) > begun


def test_one_file(s3, url, cache):
    folder, name = open_file(f"{url}/class0/a.mp4", cache=cache)
    assert content(folder, name) == CONTENT["class0/a.mp4"]
    with pytest.raises(InputError, match=r"a file that can be read at '.*class0/none\.mp4'"):
        open_file(f"{url}/class0/none.mp4", cache=cache)


def test_a_folder_that_is_not_there_is_refused(s3, url, cache):
    with pytest.raises(InputError, match="a folder that can be listed"):
        open_folder(f"{url}/absent", cache=cache)


def test_the_log_has_no_secret(videos, cache, caplog):
    caplog.set_level(logging.DEBUG)
    with http_server(videos) as proxy:
        url = f"{proxy.url.replace('://', '://me:password1@')}/?signature=hidden2"
        folder = open_folder(url, cache=cache)
        assert content(folder, "class0/a.mp4") == CONTENT["class0/a.mp4"]
    ours = "".join(record.getMessage() for record in caplog.records if record.name.startswith("vclr_pl"))
    assert "3 files listed" in ours
    assert "password1" not in ours + repr(folder)
    assert "hidden2" not in ours + repr(folder)
