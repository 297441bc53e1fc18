"""File names and other foreign text, made printable; times as on a duration.

CSV files of paths hold the bytes themselves, so that the files are found again (`files.write_csv`). Everything else that people or
other programs read shows such a byte as `\xe9`: the console, logs, JSON, pages, pictures, W&B.
"""

from __future__ import annotations

import codecs
import io
import re
import sys
from collections.abc import Mapping
from typing import Any

READABLE = "vclr_pl.readable"  # the name of an error handler of codecs, for streams of text
FIRST_BYTE, LAST_BYTE = 0xDC80, 0xDCFF  # how `surrogateescape` keeps the bytes 0x80 to 0xff


def readable(name: str) -> str:
    """`name` with every character that is no text in the form of an escape: `caf\\xe9`."""
    return name.encode("utf-8", READABLE).decode()


def readable_content(value: Any) -> Any:
    """A JSON-like value with every string, keys included, made `readable`."""
    if isinstance(value, str):
        return readable(value)
    if isinstance(value, Mapping):
        return {readable_content(key): readable_content(content) for key, content in value.items()}
    return [readable_content(content) for content in value] if isinstance(value, list | tuple) else value


_USER = re.compile(r"(?<=://)[^/\s@'\"]+@")
_QUERY = re.compile(r"(https?://[^\s'\"?<>]*)\?[^\s'\"<>]+")


def redacted(text: str) -> str:
    """The text without the user and password of the URLs in it, and without the queries of web addresses, which may be signatures."""
    return _QUERY.sub(r"\1?***", _USER.sub("***@", text)) if "://" in text else text


def redacted_content(value: Any) -> Any:
    """A JSON-like value with every string `redacted`."""
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, Mapping):
        return {key: redacted_content(content) for key, content in value.items()}
    return [redacted_content(content) for content in value] if isinstance(value, list | tuple) else value


def print_readable() -> None:
    """Have stdout and stderr show any name, whatever their encoding, from here on."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=READABLE)


def duration(seconds: float) -> str:
    """`9.6 s`, `2:19` or `1:02:03`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _escaped(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_escape(ord(character)) for character in error.object[error.start : error.end]), error.end


def _escape(code: int) -> str:
    if FIRST_BYTE <= code <= LAST_BYTE:
        return f"\\x{code - 0xDC00:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


codecs.register_error(READABLE, _escaped)
