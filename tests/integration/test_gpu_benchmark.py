"""`make gpu SHORT=1`: the program that measures a GPU, in tiny sizes on this machine. The whole short form runs in .ci/run."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SECTIONS = ["limits", "tests", "pair", "batch", "files", "demo", "color", "bare", "steps"]
PROGRAM = """
import json, os, signal, subprocess, sys, time
import torch

asked = []
for name in ("is_available", "device_count", "_lazy_init"):
    setattr(torch.cuda, name, lambda *_, name=name: asked.append(name))
sys.path.insert(0, "BENCHMARKS")
import gpu, gpu_steps
from vclr_pl.data.transform.compilation import compiled

asked_by_imports, asked[:] = list(asked), []

def good(plan):
    "Good."
    yield {"a": 1.23456, "b": "x"}
    yield {"a": 2.0, "c": None}

def bad(plan):
    "Bad."
    yield {"kept": 1}
    raise ValueError("broken")

def dead(plan):
    "Dead."
    yield {"kept": 2}
    os._exit(7)

def deaf(plan):
    "Hangs where no signal is heard, and has started a process."
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    yield {"child": subprocess.Popen(["sleep", "60"]).pid}
    time.sleep(600)

def batches(failing):
    def stand_in(plan, batch):  # for errors that only a card has
        if batch >= failing:
            raise RuntimeError("CUBLAS_STATUS_ALLOC_FAILED\\nwhen calling")
        return {"videos/s": 1.0}
    def section(plan):
        "Largest batch."
        gpu_steps._batch = stand_in
        return gpu_steps.largest_batch(plan)
    return section

def rows(plan):
    "Rows of which one fails."
    return gpu_steps.each([({"row": "a"}, lambda: {"x": 1}), ({"row": "b"}, lambda: {"x": 1 / 0}), ({"row": "c"}, lambda: {"x": 3})])

def uncompiled(plan):
    "A function that cannot be compiled."
    with gpu_steps.told() as said:
        compiled(id)(plan)
    yield {"said": len(said)}

gpu.SECONDS_TO_END = 0.2
works = {"good": good, "deaf": deaf, "bad": bad, "dead": dead, "small": batches(4), "none": batches(2)}
works |= {"rows": rows, "uncompiled": uncompiled}
budgets = {"good": 12, "deaf": 2}
sections = {name: gpu.Section(work, budgets.get(name, 600)) for name, work in works.items()}
calls = []
found = gpu.measured(sections, gpu.plan_of("cpu", short=True), factor=0.5, after=lambda found: calls.append(json.dumps(found)))
answers = {
    "asked": [asked_by_imports, asked],
    "found": found,
    "calls": calls,
    "budgets": {name: section.seconds for name, section in gpu.SECTIONS.items()},
    "two": {name: section.seconds for name, section in gpu.chosen(["steps", "limits"]).items()},
    "file": gpu.default_output({"device": "NVIDIA H200"}).name,
}
print("FOUND", json.dumps(answers))
"""


def python(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=600, check=False)


@pytest.fixture(scope="module")
def printed() -> str:
    done = python("-c", PROGRAM.replace("BENCHMARKS", str(BENCHMARKS)))
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def answers(printed: str) -> Any:
    (line,) = [line for line in printed.splitlines() if line.startswith("FOUND ")]
    return json.loads(line.removeprefix("FOUND "))


def test_a_section_that_fails_dies_or_hangs_leaves_the_others(answers: Any, printed: str) -> None:
    found = answers["found"]
    assert (found["bad"]["rows"], found["bad"]["error"]) == ([{"kept": 1}], "ValueError: broken")
    assert (found["dead"]["rows"], found["dead"]["error"]) == ([{"kept": 2}], "its process ended with exit code 7")
    assert found["deaf"]["error"].startswith("not ended after ")
    assert not Path(f"/proc/{found['deaf']['rows'][0]['child']}").exists()
    assert (found["good"]["error"], len(found["good"]["rows"])) == (None, 2)
    assert "| a | b | c |\n| --- | --- | --- |\n| 1.235 | x |  |\n| 2 |  |  |" in printed


def test_a_section_has_the_time_that_earlier_ones_left(answers: Any) -> None:
    assert float(answers["found"]["deaf"]["error"].split()[-2]) > 2 * 0.5  # its budget by the factor
    assert list(answers["budgets"]) == SECTIONS
    assert answers["two"] == {
        "limits": answers["budgets"]["limits"],
        "steps": sum(answers["budgets"].values()) - answers["budgets"]["limits"],
    }
    assert sum(answers["budgets"].values()) <= 560  # of ten minutes, with the start and the end of the program


def test_each_row_is_written_when_it_is_there(answers: Any) -> None:
    first = json.loads(answers["calls"][0])
    assert first == {"good": {"rows": [{"a": 1.23456, "b": "x"}], "seconds": None, "error": "not ended"}}


def test_no_file_overwrites_another(answers: Any) -> None:
    assert re.fullmatch(r"gpu_nvidia_h200_\d{8}_\d{6}\.json", answers["file"])


def test_the_process_that_forks_asks_for_no_gpu(answers: Any) -> None:
    """Its forks could not use one after that."""
    assert answers["asked"] == [[], []]


def test_a_batch_that_fails_does_not_fit_unless_it_is_the_smallest(answers: Any) -> None:
    small, none = answers["found"]["small"], answers["found"]["none"]
    assert [row["fits"] for row in small["rows"]] == ["yes", "no: CUBLAS_STATUS_ALLOC_FAILED"]
    assert small["error"] is None
    assert (none["rows"], none["error"]) == ([], "RuntimeError: CUBLAS_STATUS_ALLOC_FAILED\nwhen calling")


def test_a_row_that_fails_leaves_the_others(answers: Any) -> None:
    rows = answers["found"]["rows"]
    assert rows["rows"] == [{"row": "a", "x": 1}, {"row": "b", "failed": "division by zero"}, {"row": "c", "x": 3}]
    assert rows["error"] == "RuntimeError: failed: b"


def test_a_function_that_is_not_compiled_is_noticed(answers: Any) -> None:
    assert answers["found"]["uncompiled"]["rows"] == [{"said": 1}]


def test_the_short_form_writes_every_section(tmp_path: Path) -> None:
    quick = ["limits", "pair", "batch", "color", "bare"]  # the others compile, or start commands
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


@pytest.mark.parametrize(("words", "message"), [(["--only", "steps,none"], "no section none; the sections are limits, tests")])
def test_an_unknown_section_is_refused(words: list[str], message: str) -> None:
    done = python(str(BENCHMARKS / "gpu.py"), "--short", *words)
    assert done.returncode == 2
    assert message in done.stderr
