"""A path on a server against `pathlib.Path` on the same files."""

from __future__ import annotations

import os

import pytest
from tests.remote_server import http_server

from vclr_pl.remote.cache import FileCache
from vclr_pl.remote.folder import open_folder
from vclr_pl.remote.path import RemotePath, on_disk

FILES = {"lists/a_split1.txt": "one\ntwo\n", "lists/b_split1.txt": "\ufeffthree", "lists/c.csv": "x", "top.mp4": "x"}


@pytest.fixture
def both(tmp_path):
    for name, content in FILES.items():
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / name).write_text(content, encoding="utf-8")
    with http_server(tmp_path / "set") as proxy:
        yield RemotePath(open_folder(proxy.url, cache=FileCache(folder=str(tmp_path / "cache")))), tmp_path / "set"


@pytest.mark.parametrize("name", ["", "lists", "lists/", "lists/c.csv", "lists/../top.mp4", "absent", "top.mp4/x", "./lists"])
def test_what_is_there(both, name):
    remote, local = (path / name for path in both)
    assert (remote.exists(), remote.is_file(), remote.is_dir()) == (local.exists(), local.is_file(), local.is_dir())
    if local.is_dir():
        assert sorted(path.name for path in remote.iterdir()) == sorted(path.name for path in local.iterdir())
        assert sorted(path.name for path in remote.glob("*_split1.txt")) == sorted(path.name for path in local.glob("*_split1.txt"))


def test_names_and_content(both):
    remote, local = (path / "lists" / "a_split1.txt" for path in both)
    assert (remote.name, remote.stem, remote.parent.name) == (local.name, local.stem, local.parent.name)
    assert os.fspath(remote) == f"{both[0].remote.url}/lists/a_split1.txt" == str(remote)
    assert remote.read_text() == local.read_text()
    with remote.open(encoding="utf-8") as lines:
        assert list(lines) == ["one\n", "two\n"]
    with (both[0] / "lists/b_split1.txt").open(encoding="utf-8-sig") as lines:
        assert lines.read() == "three"
    with remote.open("rb") as start:
        assert start.read(2) == b"on"


def test_files_for_code_that_opens_them_itself(both):
    with on_disk(both[0] / "lists", "*_split1.txt") as copies:
        assert sorted(path.name for path in copies.iterdir()) == ["a_split1.txt", "b_split1.txt"]
    with on_disk(both[1], "*") as same:
        assert same == both[1]
