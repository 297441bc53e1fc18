"""`python -m vclr_pl` lists the commands and runs each of them by its name."""

from __future__ import annotations

import subprocess
import sys

from vclr_pl.__main__ import COMMANDS


def module(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "vclr_pl", *arguments], capture_output=True, text=True, timeout=300, check=False)


def test_without_a_name_the_commands_are_listed() -> None:
    lines = module().stdout.splitlines()
    assert [line.split()[2] for line in lines[: len(COMMANDS)]] == [f"vclr_pl.{name}" for name in COMMANDS]
    assert module("--help").stdout.splitlines() == lines


def test_a_name_runs_its_command() -> None:
    done = module("train", "seed=7", "--cfg", "job")
    assert done.returncode == 0, done.stderr
    assert "seed: 7" in done.stdout.splitlines()
    assert "usage: python -m vclr_pl.report" in module("report", "--help").stdout


def test_a_misspelt_name_is_one_line() -> None:
    done = module("trian")
    assert done.returncode == 2
    assert done.stderr == f"error: expected one of {', '.join(COMMANDS)}; got trian. Did you mean train?\n"
