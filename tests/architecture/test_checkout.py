"""The checkout stands on its own: no file names a place outside it, a package index, or a secret."""

from __future__ import annotations

import re
import subprocess

import pytest
from tests.architecture.source_tree import ROOT

TEXT_SUFFIXES = {".py", ".md", ".yaml", ".yml", ".toml", ".cff", ".csv", ".json", ".svg", ".txt", ""}
A_MACHINES_PLACE = re.compile(r"(?<![\w.$}/-])/(work|root|home|Users|mnt|opt|tmp/\w)\b[\w./-]*")
UPWARDS = re.compile(r"(?<![\w/.])((?:\.\./)+)([\w.][\w./-]*)")
AN_INDEX = re.compile(r"https?://[\w.-]*(pypi|pythonhosted|download\.pytorch)[\w.-]*", re.IGNORECASE)


def tracked_texts() -> list[str]:
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, check=False)
    if listed.returncode != 0:
        return []
    names = [name for name in listed.stdout.decode().split("\0") if name]
    return [name for name in names if (ROOT / name).suffix in TEXT_SUFFIXES and (ROOT / name).is_file()]


def outside_places(text: str, *, folder: str = ".", is_test: bool = False) -> list[str]:
    """Absolute paths of somebody's machine, and relative ones that leave the checkout or lead nowhere in it.

    Tests may name upward paths that lead nowhere at all: they are examples of bad input.
    """
    found = [match.group() for match in A_MACHINES_PLACE.finditer(text)]
    for match in UPWARDS.finditer(text):
        upwards, rest = match.groups()
        places = [(ROOT / start / upwards / rest.split("/")[0]).resolve() for start in {folder, "."}]
        inside = any(place.is_relative_to(ROOT) and place.exists() for place in places)
        if not inside and not (is_test and not any(place.exists() for place in places)):
            found.append(match.group())
    return found


@pytest.mark.parametrize("name", tracked_texts())
def test_no_file_names_a_place_outside(name):
    text = (ROOT / name).read_text()
    if name == "tests/architecture/test_checkout.py":
        text = text.split("def test_an_outside_place_is_found")[0].replace("/(work|root", "")
    assert outside_places(text, folder=str((ROOT / name).parent.relative_to(ROOT)), is_test=name.startswith("tests/")) == []
    assert AN_INDEX.findall(text) == []


def test_an_outside_place_is_found():
    assert outside_places("data.root=/home/me/ucf101") == ["/home/me/ucf101"]
    assert outside_places("see ../elsewhere/real/ucf101") == ["../elsewhere/real/ucf101"]
    assert outside_places("a link to ../README.md", folder="docs") == []
    assert outside_places("data.root=/path/to/ucf101 and /usr/bin, half/work, runs/root/x") == []


def test_no_lock_file_is_shipped():
    assert not [name for name in tracked_texts() if re.search(r"(\.lock|requirements[\w-]*\.txt|package-lock\.json)$", name)]


def test_the_license_is_there_in_full() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text
