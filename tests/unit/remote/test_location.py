"""URLs and their public form."""

from __future__ import annotations

from pathlib import Path

import pytest

from vclr_pl.remote.location import Location, is_url, local_path


def test_local_folders_are_no_urls():
    assert not any(map(is_url, ("videos", "/data/a", "file:///data/a", "C:/videos", Path("/x"), "a:b/c")))
    assert all(map(is_url, ("s3://bucket/x", "gs://b", "hf://datasets/o/n", "https://host/dir", "HTTP://host")))
    assert local_path("file:///data/a%20b") == "/data/a b"
    assert local_path("/data/a%20b") == "/data/a%20b"


@pytest.mark.parametrize(
    ("url", "public"),
    [
        ("https://me:pw@host:8/dir/?X-Amz-Signature=abc", "https://host:8/dir"),
        ("s3://bucket/a/", "s3://bucket/a"),
        ("sftp://me:pw@host/dir", "sftp://host/dir"),
        ("hf://datasets/owner/name@main/videos", "hf://datasets/owner/name@main/videos"),
    ],
)
def test_the_public_form_has_no_secret(url, public):
    location = Location.of(url)
    assert location.public == public
    assert not {"pw", "abc"} & set(repr(location).replace("=", "/").replace(":", "/").split("/"))


def test_the_full_form_has_what_a_request_needs():
    location = Location.of("https://me:pw@host/dir/?sig=abc")
    assert (location.full, location.query, location.is_http) == ("https://me:pw@host/dir", "sig=abc", True)
