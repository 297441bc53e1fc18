"""The files below a URL, through fsspec: their names, sizes and checksums, and their transfer. Retries are those of the library here."""

from __future__ import annotations

import base64
import hashlib
import logging
import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import fsspec

from vclr_pl.remote.location import Location
from vclr_pl.text import redacted
from vclr_pl.types import InputError

NO_TAG, OPAQUE, MD5, SHA256 = 0, 1, 2, 3  # kinds of tags
TAG_BYTES = 16
EXTRA = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs"}  # in the extra `remote`; huggingface_hub (hf) is always there
_HEADS_AT_A_TIME = 16  # an HTTP server's index page has no sizes: one request for each file
_SECONDS_WITHOUT_DATA = 60
_TALKING = (
    "fsspec",
    "fsspec.http",
    "s3fs",
    "aiobotocore",
    "botocore",
    "httpx",
    "httpx2",
    "huggingface_hub",
)  # they log URLs, and where they found credentials


@dataclass(frozen=True)
class Entry:
    """A file on a server: size in bytes (-1 if unknown), and 16 bytes that change with its content. `kind` says what they are."""

    size: int
    kind: int
    tag: bytes

    @property
    def stamp(self) -> tuple[int, int]:
        """As `files.file_stamp` of a local file: size, and a number that changes with the content."""
        return self.size, int.from_bytes(self.tag[:8], "big")


@dataclass
class Server:
    """The files below `location`. The object can be copied into other processes; each connects on its own."""

    location: Location
    _connected: tuple[int, Any, str] | None = field(default=None, repr=False)  # process, file system, path of the folder

    def __getstate__(self) -> dict[str, Any]:
        return {"location": self.location, "_connected": None}

    def files(self) -> Iterator[tuple[str, Entry]]:
        """Name relative to the folder, and entry, of each file at any depth; one request for each folder and each 1000 files.

        Raises:
            InputError: the folder is not there or cannot be read, or a package is missing.
        """
        try:
            system, top = self._system()
            if self.location.is_http:
                yield from self._http_files(system, top)
                return
            for _, _, found in system.walk(top, detail=True, on_error="raise"):
                for info in found.values():
                    if name := info["name"][len(top) :].strip("/"):
                        yield name, entry_of(info)
        except InputError:
            raise
        except Exception as error:  # libraries of servers have no common class of errors
            raise _refused(f"a folder that can be listed at '{self.location.public}'", error) from None

    def listed_entry(self, name: str) -> Entry:
        """The entry of a file that the user names. Raises InputError if it is not there or cannot be read."""
        try:
            return self.entry(name)
        except InputError:
            raise
        except Exception as error:  # as above
            raise _refused(f"a file that can be read at '{self.location.public}/{name}'", error) from None

    def fetch(self, name: str, target: Path) -> None:
        """Write the file into `target`. Raises whatever the library raises."""
        system, top = self._system()
        system.get_file(self._path(top, name), os.fspath(target))

    def entry(self, name: str) -> Entry:
        """The file's present entry: one request."""
        system, top = self._system()
        return entry_of(system.info(self._path(top, name)))

    def _path(self, top: str, name: str) -> str:
        if not self.location.is_http:
            return f"{top}/{name}"
        return f"{top}/{quote(name)}" + (f"?{self.location.query}" if self.location.query else "")

    def connect(self) -> None:
        """Connect this process now. Otherwise the first request does. Raises InputError if a package is missing."""
        self._system()

    def _system(self) -> tuple[Any, str]:
        """fsspec's file system of this process, and the path of the folder in it."""
        if self._connected is None or self._connected[0] != os.getpid():
            self._connected = (os.getpid(), *_connect(self.location))
        return self._connected[1], self._connected[2]

    def _http_files(self, system: Any, top: str) -> Iterator[tuple[str, Entry]]:
        names = list(self._http_names(system, top, "", {""}))
        with ThreadPoolExecutor(_HEADS_AT_A_TIME) as pool:
            yield from zip(names, pool.map(self.entry, names), strict=True)

    def _http_names(self, system: Any, top: str, folder: str, seen: set[str]) -> Iterator[str]:
        """The links of index pages that lead below the folder. Links with a query sort the page."""
        page = self._path(top, folder)
        for url in sorted(system.ls(page, detail=False)):
            start = next((start for start in (f"{page.rstrip('/')}/", f"{top}/") if url.startswith(start)), None)
            if start is None or "?" in url[len(start) :]:
                continue
            name = ("" if start == f"{top}/" else folder) + unquote(url[len(start) :])
            if name in seen:
                continue
            seen.add(name)
            if name.endswith("/"):
                yield from self._http_names(system, top, name, seen)
            else:
                yield name


def _connect(location: Location) -> tuple[Any, str]:
    for name in _TALKING:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("gcsfs").setLevel(logging.CRITICAL)  # each failed request with its traceback; the error says it in a line
    options: dict[str, Any] = {"use_listings_cache": False}
    if location.is_http:
        import aiohttp  # only for these URLs

        limits = aiohttp.ClientTimeout(total=None, sock_connect=_SECONDS_WITHOUT_DATA, sock_read=_SECONDS_WITHOUT_DATA)
        options["client_kwargs"] = {"timeout": limits, "trust_env": True}  # ~/.netrc and proxies
    try:
        system, top = fsspec.core.url_to_fs(location.full, **options)
    except (ImportError, ValueError) as error:
        package = EXTRA.get(location.protocol)
        raise InputError(
            expected=f"a package that reads {location.protocol}:// URLs",
            got=f"none ({words_of(error)})" if package is None else f"none: {package} is not installed",
            hint="pip install 'vclr-pl[remote]'" if package else "Use s3://, gs://, hf://, https:// or a folder.",
        ) from None
    return system, str(top).rstrip("/")


def _refused(expected: str, error: Exception) -> InputError:
    return InputError(
        expected=expected,
        got=words_of(error),
        hint="Set data.root=URL, and check the credentials of this server (environment, ~/.aws, gcloud, `hf auth login`, ~/.netrc).",
    )


def entry_of(info: dict[str, Any]) -> Entry:
    """The entry of what fsspec says about a file."""
    size = info.get("size")
    kind, tag = _tag(info)
    return Entry(size=-1 if size is None else int(size), kind=kind, tag=tag.ljust(TAG_BYTES, b"\0"))


def _tag(info: dict[str, Any]) -> tuple[int, bytes]:
    if sha256 := (info.get("lfs") or {}).get("sha256"):  # Hugging Face
        return SHA256, bytes.fromhex(sha256)[:TAG_BYTES]
    if md5 := info.get("md5Hash"):  # Google
        return MD5, base64.b64decode(md5)
    etag = str(info.get("ETag") or info.get("etag") or "").strip('"')
    if "Key" in info and re.fullmatch("[0-9a-f]{32}", etag):  # S3, of a file that was not uploaded in parts
        return MD5, bytes.fromhex(etag)
    known = etag or next((info[name] for name in ("blob_id", "Last-Modified", "LastModified", "mtime") if info.get(name)), "")
    return (OPAQUE, hashlib.sha256(str(known).encode()).digest()[:TAG_BYTES]) if known else (NO_TAG, b"")


def checksum(path: Path, *, kind: int) -> bytes:
    """The first 16 bytes of the file's MD5 or SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5" if kind == MD5 else "sha256").digest()[:TAG_BYTES]


def words_of(error: BaseException) -> str:
    """The error in one line without secrets."""
    said = " ".join(str(error).split())
    name = type(error).__name__
    return redacted(f"{name}: {said}"[:300] if said else name)
