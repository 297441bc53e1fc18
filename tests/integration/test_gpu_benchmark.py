"""`make gpu SHORT=1`: the program that measures a GPU, in tiny sizes on this machine. The whole short form runs in .ci/run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SECTIONS = ["tests", "limits", "bare", "steps", "batch", "color", "pair", "files", "demo"]
PROGRAM = """
import json, sys
sys.path.insert(0, "BENCHMARKS")
import gpu

def good(plan):
    "Good."
    yield {"a": 1.23456, "b": "x"}
    yield {"a": 2.0, "c": None}

def bad(plan):
    "Bad."
    yield {"kept": 1}
    raise ValueError("broken")

def slow(plan):
    "Slow."
    while True:
        pass

sections = {"bad": gpu.Section(bad, 5), "slow": gpu.Section(slow, 1), "good": gpu.Section(good, 5)}
found = gpu.measured(sections, gpu.plan_of(short=True), factor=0.5)
print("FOUND", json.dumps(found), list(gpu.SECTIONS), sum(section.seconds for section in gpu.SECTIONS.values()))
"""


def python(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=600, check=False)


def test_a_section_that_fails_or_takes_too_long_leaves_the_others() -> None:
    done = python("-c", PROGRAM.replace("BENCHMARKS", str(BENCHMARKS)))
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("FOUND ")]
    found, _ = json.JSONDecoder().raw_decode(line.removeprefix("FOUND "))
    assert found["bad"]["rows"] == [{"kept": 1}]
    assert found["bad"]["error"] == "ValueError: broken"
    assert found["slow"]["error"].startswith("OverBudgetError")
    assert (found["good"]["error"], len(found["good"]["rows"])) == (None, 2)
    assert "| a | b | c |\n| --- | --- | --- |\n| 1.235 | x |  |\n| 2 |  |  |" in done.stdout
    assert line.endswith(f"{SECTIONS} 600")  # ten minutes


def test_the_short_form_writes_every_section(tmp_path: Path) -> None:
    quick = ["limits", "bare", "batch", "color", "pair"]  # the others compile, or start commands
    done = python(str(BENCHMARKS / "gpu.py"), "--short", "--only", ",".join(quick), "--output", str(tmp_path / "gpu.json"))
    assert done.returncode == 0, done.stdout + done.stderr
    written = json.loads((tmp_path / "gpu.json").read_text())
    assert (written["short"], written["failed"]) == (True, [])
    assert list(written["sections"]) == quick
    for name, section in written["sections"].items():
        assert section["rows"], name
        assert f"### {name}: " in done.stdout
    assert {"torch", "device", "cores"} <= written["machine"].keys()
    rates = [row["images/s"] for row in written["sections"]["bare"]["rows"]]
    assert len(rates) == 4
    assert min(rates) > 0


@pytest.mark.parametrize(("words", "message"), [(["--only", "steps,none"], "no section none; the sections are tests, limits")])
def test_an_unknown_section_is_refused(words: list[str], message: str) -> None:
    done = python(str(BENCHMARKS / "gpu.py"), "--short", *words)
    assert done.returncode == 2
    assert message in done.stderr
