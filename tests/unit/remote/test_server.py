"""What servers say about files, and whether it is a checksum of their content."""

from __future__ import annotations

import base64
import hashlib
import sys

import pytest
from fsspec.registry import _registry
from tests.remote_server import http_server

from vclr_pl.remote.location import Location
from vclr_pl.remote.server import MD5, NO_TAG, OPAQUE, SHA256, Server, checksum, entry_of, words_of
from vclr_pl.types import InputError

CONTENT = b"content"
DIGEST = hashlib.md5(CONTENT)


@pytest.mark.parametrize(
    ("info", "kind"),
    [
        ({"Key": "b/k", "size": 7, "ETag": f'"{DIGEST.hexdigest()}"'}, MD5),
        ({"Key": "b/k", "size": 7, "ETag": f'"{DIGEST.hexdigest()}-2"'}, OPAQUE),  # uploaded in parts
        ({"size": 7, "ETag": f'"{DIGEST.hexdigest()}"'}, OPAQUE),  # a web server's tag is anything
        ({"size": 7, "md5Hash": base64.b64encode(DIGEST.digest()).decode(), "etag": "x"}, MD5),
        ({"size": 7, "lfs": {"sha256": hashlib.sha256(CONTENT).hexdigest()}, "blob_id": "1"}, SHA256),
        ({"size": 7, "lfs": None, "blob_id": "1"}, OPAQUE),
        ({"size": 7, "mtime": 12.5}, OPAQUE),
        ({"size": None}, NO_TAG),
    ],
)
def test_tags_of_files(info, kind, tmp_path):
    entry = entry_of(info)
    assert (entry.kind, entry.size, len(entry.tag)) == (kind, 7 if info["size"] else -1, 16)
    (tmp_path / "file").write_bytes(CONTENT)
    if kind in (MD5, SHA256):
        assert checksum(tmp_path / "file", kind=kind) == entry.tag
    assert entry_of({**info, "size": 8}).stamp != entry.stamp


def test_files_of_a_web_server_have_size_and_tag(tmp_path):
    names = ["a b/1.mp4", "a b/c/é%.mp4", "top.mp4"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    with http_server(tmp_path) as proxy:
        server = Server(Location.of(f"{proxy.url}/?signature=abc"))
        found = dict(server.files())
        assert sorted(found) == names
        assert {name: entry.size for name, entry in found.items()} == {name: len(name.encode()) for name in names}
        assert {entry.kind for entry in found.values()} == {OPAQUE}
        server.fetch(names[1], tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == names[1].encode()
    assert all("signature=abc" in path for _, path in proxy.requests)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(_registry, "s3", raising=False)
    with pytest.raises(InputError, match=r"s3fs is not installed.*pip install 'vclr-pl\[remote\]'"):
        list(Server(Location.of("s3://bucket/videos")).files())


def test_an_unknown_protocol_is_refused():
    with pytest.raises(InputError, match=r"quux:// URLs"):
        list(Server(Location.of("quux://bucket/videos")).files())


def test_words_of_an_error_have_no_secrets():
    said = words_of(ConnectionError("403 for https://me:pw@host/a.mp4?X-Amz-Signature=abc\nagain"))
    assert said == "ConnectionError: 403 for https://***@host/a.mp4?*** again"
