"""What huggingface_hub itself says of a repository, in one line, and quickly; a socket of this machine stands for the hub."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from huggingface_hub import constants

from vclr_pl.backbone.hub_cache import cache_alone_without_network, first_line, hub_answers

FETCH = """
from vclr_pl.backbone.hub_cache import fetched_folder
from vclr_pl.types import InputError
try:
    print(fetched_folder(NAME, files=["config.json"]))
except InputError as error:
    print(error)
"""


def fetched(name: str, *, home: Path, endpoint: str) -> str:
    """What a fresh process, with its own cache and hub, says of a repository."""
    surroundings = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    surroundings |= {"HF_HOME": str(home), "HF_ENDPOINT": endpoint}
    code = textwrap.dedent(FETCH).replace("NAME", repr(name))
    done = subprocess.run([sys.executable, "-c", code], env=surroundings, capture_output=True, text=True, timeout=100)
    assert done.stderr == ""
    return done.stdout.strip()


def closed_port() -> str:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{found.getsockname()[1]}"


def test_without_a_network_the_cache_is_read(tmp_path: Path) -> None:
    endpoint = closed_port()
    missing = fetched("owner/name", home=tmp_path, endpoint=endpoint)
    assert "got no network, and no copy in the cache. Run once with a network, or copy the cache (HF_HOME)." in missing
    assert "\n" not in missing
    kept = tmp_path / "hub" / "models--owner--name"
    snapshot = kept / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (kept / "refs").mkdir()
    (kept / "refs" / "main").write_text("0" * 40)
    (snapshot / "config.json").write_text(json.dumps({}))
    assert fetched("owner/name", home=tmp_path, endpoint=endpoint) == str(snapshot)


def test_a_name_that_is_none_is_one_line(tmp_path: Path) -> None:
    said = fetched("a/b/c", home=tmp_path, endpoint=closed_port())
    assert "expected a folder, or owner/name of the Hugging Face hub; got a/b/c" in said


def test_an_answering_hub_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as hub:
        hub.bind(("127.0.0.1", 0))
        hub.listen()
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{hub.getsockname()[1]}")
        assert hub_answers()
        with cache_alone_without_network():
            assert not constants.HF_HUB_OFFLINE
    assert not hub_answers()
    with cache_alone_without_network():
        assert constants.HF_HUB_OFFLINE
    assert not constants.HF_HUB_OFFLINE


def test_an_empty_message_is_the_kind_of_the_error() -> None:
    assert (first_line(OSError()), first_line(ValueError("one\ntwo"))) == ("OSError", "one")
