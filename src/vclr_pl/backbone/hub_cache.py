"""Files of the Hugging Face hub, from its cache (HF_HOME) or over the network."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

from huggingface_hub import constants, snapshot_download
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, HFValidationError, RepositoryNotFoundError, RevisionNotFoundError
from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

from vclr_pl.types import InputError

SECONDS_TO_CONNECT = 5
TALKATIVE = ("huggingface_hub", "httpx", "httpx2")
PORTS = {"http": 80, "https": 443}


def fetched_folder(name: str, *, files: Sequence[str]) -> Path:
    """The folder of the cache with those of `files` that the repository has.

    Args:
        name: `owner/name` of a repository of a model.
        files: names, or patterns of names.

    Raises:
        InputError: no such repository, a gated one, or no way to it and nothing in the cache.
    """
    other: tuple[type[Exception], ...] = (
        HfHubHTTPError,
        OSError,
        ValueError,
        *network_errors(),
    )  # LocalEntryNotFoundError is one of the last
    with cache_alone_without_network(), quiet_hub():
        try:
            return Path(snapshot_download(name, allow_patterns=list(files)))
        except HFValidationError as error:
            raise InputError(
                expected="a folder, or owner/name of the Hugging Face hub", got=name, hint="Check the spelling of the folder or the name."
            ) from error
        except GatedRepoError as error:
            hint = "Accept the terms on its page, then run: hf auth login, or set HF_TOKEN."
            raise InputError(expected="a repository that you may read", got=f"{name}, which is gated", hint=hint) from error
        except (RepositoryNotFoundError, RevisionNotFoundError) as error:
            raise InputError(
                expected="a repository of the Hugging Face hub",
                got=f"{name}, which does not exist or is private",
                hint="Check the spelling. For a private one run: hf auth login, or set HF_TOKEN.",
            ) from error
        except other as error:
            offline = constants.HF_HUB_OFFLINE
            cause = "no network, and no copy in the cache" if offline else first_line(error)
            raise InputError(
                expected=f"{name}, in the cache or over the network",
                got=cause,
                hint="Run once with a network, or copy the cache (HF_HOME).",
            ) from error


def network_errors() -> tuple[type[Exception], ...]:
    """What the HTTP library of huggingface_hub raises behind a proxy that refuses, beside OSError."""
    libraries = [sys.modules[name] for name in ("httpx", "httpx2") if name in sys.modules]
    return tuple(library.HTTPError for library in libraries)


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its kind."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


@contextlib.contextmanager
def cache_alone_without_network() -> Iterator[None]:
    """Without a way to the hub, huggingface_hub would try for a minute before it reads its cache."""
    known = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = known or not hub_answers()
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = known


def hub_answers() -> bool:
    """True if the hub, or the proxy before it, takes a connection."""
    endpoint = urllib.parse.urlsplit(constants.ENDPOINT)
    host = endpoint.hostname or ""
    proxy = None if urllib.request.proxy_bypass(host) else urllib.request.getproxies().get(endpoint.scheme)
    address = endpoint if proxy is None else urllib.parse.urlsplit(proxy if "//" in proxy else f"//{proxy}", scheme="http")
    try:
        port = address.port or PORTS.get(address.scheme, PORTS["https"])
        socket.create_connection((address.hostname or host, port), timeout=SECONDS_TO_CONNECT).close()
    except OSError:
        return False
    return True


@contextlib.contextmanager
def quiet_hub() -> Iterator[None]:
    """No progress bars and no advice of huggingface_hub in the log."""
    loggers, shown = [logging.getLogger(name) for name in TALKATIVE], not are_progress_bars_disabled()
    levels = [one.level for one in loggers]
    for one in loggers:
        one.setLevel(logging.ERROR)
    if shown:
        disable_progress_bars()
    try:
        yield
    finally:
        for one, level in zip(loggers, levels, strict=True):
            one.setLevel(level)
        if shown and not os.environ.get("HF_HUB_DISABLE_PROGRESS_BARS"):
            enable_progress_bars()
