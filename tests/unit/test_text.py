from __future__ import annotations

import io
import json
import os
import sys

import pytest

from vclr_pl.text import READABLE, duration, print_readable, readable, readable_content, redacted, redacted_content

NAME = os.fsdecode(b"caf\xe9.mp4")


@pytest.mark.parametrize(
    ("name", "text"),
    [("caf\u00e9 \u2713", "caf\u00e9 \u2713"), (NAME, "caf\\xe9.mp4"), (os.fsdecode(b"\xff\xfe"), "\\xff\\xfe"), ("\ud800", "\\ud800")],
)
def test_a_name_as_text(name, text):
    assert readable(name) == text


def test_every_string_of_a_value():
    value = {NAME: [NAME, 1, None, (2.5, {"a": NAME})]}
    text = json.dumps(readable_content(value), ensure_ascii=False)
    assert json.loads(text.encode()) == {"caf\\xe9.mp4": ["caf\\xe9.mp4", 1, None, [2.5, {"a": "caf\\xe9.mp4"}]]}


@pytest.mark.parametrize(("encoding", "shown"), [("utf-8", "caf\\xe9.mp4 \u2713"), ("ascii", "caf\\xe9.mp4 \\u2713")])
def test_streams_show_any_name(encoding, shown, monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    print_readable()
    print(f"{NAME} \u2713", end="", flush=True)
    assert stream.buffer.getvalue().decode(encoding) == shown  # type: ignore[attr-defined]


def test_bytes_are_decoded_as_ever():
    with pytest.raises(UnicodeDecodeError):
        b"\xff".decode("utf-8", READABLE)


def test_times_as_on_a_clock() -> None:
    assert [duration(seconds) for seconds in (9.64, 59.94, 139.4, 3723.0)] == ["9.6 s", "59.9 s", "2:19", "1:02:03"]


def test_urls_without_secrets():
    assert redacted("open https://me:pw@host/a?sig=abc&x=1 and s3://bucket/a?b") == "open https://***@host/a?*** and s3://bucket/a?b"
    assert redacted("data.root='https://host/a?sig=abc'") == "data.root='https://host/a?***'"
    assert redacted("hf://datasets/owner/name@main is there? yes, me@host") == "hf://datasets/owner/name@main is there? yes, me@host"
    assert redacted_content({"a": ["ftp://u@h/", 1], "b": None}) == {"a": ["ftp://***@h/", 1], "b": None}
