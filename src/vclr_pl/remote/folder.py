"""A folder on a server: what is in it, and its files on the local disk while they are read."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from vclr_pl.remote.cache import FileCache, FileTooLargeError, locked
from vclr_pl.remote.listing import Listing
from vclr_pl.remote.location import Location
from vclr_pl.remote.server import MD5, NO_TAG, OPAQUE, SHA256, Entry, Server, checksum, words_of

BACKEND = "transfer"  # in place of the decoder's name, for files that do not arrive
_LONGEST_PAUSE_SECONDS = 30.0
_KEPT_LISTINGS = 3  # of one URL; a run that began with an earlier one has it open
LISTINGS_VARIABLE = "VCLR_PL_LISTINGS"
_own_listings: dict[str, str] = {}  # the newest that this process has opened, by the folder around it

log = logging.getLogger(__name__)


class TransferError(Exception):
    """A file that did not arrive. `is_temporary`: a later command may get it."""

    def __init__(self, reason: str, is_temporary: bool) -> None:
        super().__init__(reason, is_temporary)
        self.reason, self.is_temporary = reason, is_temporary


@dataclass(frozen=True)
class RemoteFolder:
    """The folder at `server.location`, as it was when `listing` was made. Pickled without the listing's arrays."""

    server: Server
    listing: Listing
    cache: FileCache

    @property
    def url(self) -> str:
        """Without secrets. Paths of files begin with it."""
        return self.server.location.public

    def name_of(self, path: str) -> str | None:
        """The name in the listing of a path that begins with the URL; None for a path elsewhere."""
        return path[len(self.url) + 1 :] if path.startswith(f"{self.url}/") else None

    def entry(self, path: str) -> Entry | None:
        """The entry of a file in the listing."""
        name = self.name_of(path)
        row = None if name is None else self.listing.row(name)
        return None if row is None else self.listing.entry(row)

    @contextlib.contextmanager
    def held(self, path: str) -> Iterator[str]:
        """The local path of a file, which stays on the disk while the block runs.

        Raises:
            TransferError: the file does not arrive, is not in the listing, or has changed since.
            OSError: the local disk is full, or the cache cannot be written.
        """
        name, entry = self.name_of(path), self.entry(path)
        if name is None or entry is None:
            raise TransferError("no such file on the server", is_temporary=False)
        key = hashlib.sha256(repr((self.url, name, entry)).encode(errors="surrogateescape")).hexdigest()[:32]
        suffix = PurePosixPath(name).suffix[:16]
        try:
            held = self.cache.held(key, suffix=suffix, size=entry.size, fetch=lambda draft: self._fetch(name, entry, draft))
            with held as local:
                yield local
        except FileTooLargeError as error:
            raise TransferError(str(error), is_temporary=False) from None

    def _fetch(self, name: str, entry: Entry, draft: Path) -> None:
        previous = b""
        for turn in range(1, self.cache.tries + 1):
            try:
                self.server.fetch(name, draft)
                previous = self._checked(name, entry, draft, previous=previous)
                if not previous:
                    return
                failure = "the content does not have the checksum that the server lists"
            except (TransferError, OSError) as error:
                if isinstance(error, TransferError) or error.filename in (draft, os.fspath(draft)):
                    raise
                failure = words_of(error)
                if isinstance(error, FileNotFoundError | PermissionError):
                    reason = "no longer on the server" if isinstance(error, FileNotFoundError) else failure
                    raise TransferError(reason, is_temporary=isinstance(error, PermissionError)) from None
            except Exception as error:  # libraries of servers have no common class of errors
                failure = words_of(error)
            if turn < self.cache.tries:
                pause = min(_LONGEST_PAUSE_SECONDS, self.cache.pause_seconds * 2 ** (turn - 1))
                time.sleep(pause * random.SystemRandom().uniform(0.5, 1.0))  # not the run's generator
        raise TransferError(f"not transferred in {self.cache.tries} tries: {failure}", is_temporary=True)

    def _checked(self, name: str, entry: Entry, draft: Path, *, previous: bytes) -> bytes:
        """Empty if the draft is the listed file; else its checksum, for a further try.

        Raises:
            TransferError: the file has changed on the server.
        """
        size = draft.stat().st_size
        found = checksum(draft, kind=entry.kind) if entry.kind in (MD5, SHA256) else b""
        if entry.size in (-1, size) and (found == entry.tag or entry.kind == NO_TAG):
            return b""
        present = self.server.entry(name)  # a tag that is no checksum, or bytes that differ
        if present != entry:
            raise TransferError("the file has changed on the server since it was listed", is_temporary=True)
        if entry.size in (-1, size) and (entry.kind == OPAQUE or found == previous):
            return b""  # the same content twice, and the server's own tag is the same: it is no checksum (encrypted files)
        return found or checksum(draft, kind=MD5)


def open_file(url: str, *, cache: FileCache) -> tuple[RemoteFolder, str]:
    """The folder around a file, with a listing of this file alone, and the file's path.

    Raises:
        InputError: the file is not there or cannot be read.
    """
    around, _, name = Location.of(url).full.rpartition("/")
    server = Server(replace(Location.of(around), query=Location.of(url).query))
    return RemoteFolder(server, Listing.write([(name, server.listed_entry(name))], _listings(server.location, cache)), cache), name


def open_folder(url: str, *, cache: FileCache) -> RemoteFolder:
    """List the folder. Processes of a machine that open it at the same time list it once, and those of `listings_for_children` do not list.

    Raises:
        InputError: the folder cannot be listed, or the cache cannot be written.
    """
    location = Location.of(url)
    server, below = Server(location), _listings(location, cache)
    given = json.loads(os.environ.get(LISTINGS_VARIABLE, "{}")).get(os.fspath(below))
    listing = Listing(Path(given)) if given is not None and Path(given).is_dir() else _listed(server, below)
    _own_listings[os.fspath(below)] = os.fspath(listing.path)
    return RemoteFolder(server, listing, cache)


@contextlib.contextmanager
def listings_for_children() -> Iterator[None]:
    """Processes that are started in the block open the folders that this one has opened as they were then."""
    os.environ[LISTINGS_VARIABLE] = json.dumps(_own_listings)
    try:
        yield
    finally:
        del os.environ[LISTINGS_VARIABLE]


def _listed(server: Server, below: Path) -> Listing:
    asked = time.time()
    with locked(below / "lock"):
        known = sorted((path for path in below.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime)
        if known and known[-1].stat().st_mtime >= asked:  # made while this process waited for the lock
            return Listing(known[-1])
        started = time.perf_counter()
        listing = Listing.write(server.files(), below)
        os.utime(listing.path)
        log.info("%s: %d files listed in %.1f s", server.location.public, len(listing), time.perf_counter() - started)
        for path in known[:-_KEPT_LISTINGS]:
            if path != listing.path:
                _remove(path)
    return listing


def _listings(location: Location, cache: FileCache) -> Path:
    return cache.path / "listings" / hashlib.sha256(location.public.encode(errors="surrogateescape")).hexdigest()[:16]


def _remove(path: Path) -> None:
    for file in path.iterdir():
        file.unlink()
    path.rmdir()
