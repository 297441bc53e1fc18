"""Folders that cannot be written, full disks, stdout that takes nothing: one line, exit code 2, no half file, for every command."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.integration.surroundings import TASKS, arguments_of, make_places, outcome

COMMANDS = {*TASKS, "report"}
ROOT = Path(__file__).parents[2]
# root may write everywhere: this takes that right away
AS_A_USER = ["setpriv", "--bounding-set", "-dac_override", "--inh-caps", "-dac_override"] if os.geteuid() == 0 else []


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("surroundings")
    make_places(folder)
    return folder


def outcomes(*arguments: str, start: list[str] | None = None) -> list[dict[str, object]]:
    command = [*(start or []), sys.executable, "-m", "tests.integration.surroundings", *arguments]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=400, check=False)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert {one["command"] for one in found} == COMMANDS, done.stderr
    return found


def lines_of(found: list[dict[str, object]]) -> list[str]:
    """Each outcome's one line."""
    lines = [(one["command"], one["code"], str(one["stderr"]).splitlines()) for one in found]
    assert all(code == 2 and len(told) == 1 and told[0].startswith("error: expected ") for _, code, told in lines), lines
    return [told[0] for _, _, told in lines]


def test_an_output_below_a_file(places, tmp_path):
    (tmp_path / "file").touch()
    lines = lines_of([outcome(name, told) for name, told in arguments_of(places, tmp_path / "file" / "below").items()])
    assert all(f"'{tmp_path}/file/below" in line and "leads through a file" in line for line in lines), lines


def test_an_output_that_may_not_be_written(places, tmp_path):
    (tmp_path / "closed").mkdir(mode=0o555)
    if AS_A_USER and shutil.which("setpriv") is None:
        pytest.skip("root without the program setpriv, which takes a right away")
    lines = lines_of(outcomes(str(places), str(tmp_path / "closed"), start=AS_A_USER))
    assert all(f"'{tmp_path}/closed/" in line and "permission denied" in line for line in lines), lines
    assert list((tmp_path / "closed").iterdir()) == []


def test_files_that_stop_growing(places, tmp_path):
    """As on a full disk: the first file that a command writes ends within. A larger limit would end the decoders' shared memory."""
    found = outcomes(str(places), str(tmp_path / "out"), "file=40")
    assert [one for one in found if one["halves"]] == []
    struck = [one for one in found if one["code"] != 0]
    assert {one["command"] for one in struck} == COMMANDS
    assert all("room for a file of this size; got none for " in line for line in lines_of(struck))


def test_a_full_disk(places, tmp_path):
    """A small disk of its own, which only some may mount."""
    (tmp_path / "disk").mkdir()
    script = 'mount -t tmpfs -o size=4m tmpfs "$0" && exec "$@"'
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    start = ["unshare", "--mount", *user, "sh", "-c", script, str(tmp_path / "disk")]
    if shutil.which("unshare") is None or subprocess.run([*start, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no right to mount a disk here; test_files_that_stop_growing fills one in another way")
    found = outcomes(str(places), str(tmp_path / "disk"), "disk=0", "disk=20", start=start)
    assert [one for one in found if one["halves"]] == []
    struck = [one for one in found if one["code"] != 0]
    assert {one["command"] for one in struck} == COMMANDS
    assert all("room on the disk; got none for " in line for line in lines_of(struck))


@pytest.mark.parametrize(
    "command", [["check", "decoding=pyav", "data.root={places}/videos", "paths.runs={out}"], ["report", "{places}/result"]]
)
def test_a_stdout_that_takes_nothing(command, places, tmp_path):
    name, *arguments = [part.format(places=places, out=tmp_path) for part in command]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", f"vclr_pl.{name}", *arguments], stdout=full, stderr=subprocess.PIPE, text=True, timeout=120, check=False
        )
    expected = "error: expected room on the disk; got none for the output. Free some space, or choose another folder."
    assert (done.returncode, done.stderr.splitlines()) == (2, [expected])
