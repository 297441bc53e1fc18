"""make explains itself, and says in one line what keeps it from making its environment."""

from __future__ import annotations

import re
import subprocess

import pytest
from tests.documentation.documented_commands import ROOT


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", "-C", str(ROOT), "--no-print-directory", *arguments], capture_output=True, text=True, check=False)


def test_help_lists_every_target():
    phony = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony is not None
    listed = re.findall(r"^ +make ([a-z-]+) ", make().stdout, re.MULTILINE)
    assert set(listed) == set(phony.group(1).split())


@pytest.fixture
def interpreter(request, tmp_path):
    """A stand-in that answers as the parameter's shell lines do."""
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\n{request.param}\n")
    program.chmod(0o755)
    return str(program)


@pytest.mark.parametrize(
    ("interpreter", "message"),
    [
        ('[ "$1" = --version ] && echo Python 3.9.1; exit 1', "says: Python 3.9.1. Python 3.11, 3.12 or 3.13 is needed"),
        ('case "$2" in *ensurepip*) exit 1;; esac; exit 0', "its modules venv and ensurepip are missing"),
    ],
    indirect=["interpreter"],
)
def test_an_unfit_interpreter_is_told_and_leaves_nothing(interpreter, message, tmp_path):
    done = make("demo", f"PYTHON={interpreter}", f"VENV={tmp_path / 'venv'}")
    assert done.returncode != 0
    assert message in done.stderr
    assert not (tmp_path / "venv").exists()


def test_no_interpreter_is_told(tmp_path):
    done = make("demo", "PYTHON=", f"VENV={tmp_path / 'venv'}")
    assert done.returncode != 0
    assert "No Python 3.11, 3.12 or 3.13 runs here" in done.stderr


def test_what_is_installed_is_not_installed_again(tmp_path):
    """A stamp as new as pyproject.toml: only the commands themselves are left to do."""
    (tmp_path / "bin").mkdir()
    for name in ("bin/python", ".package", ".development"):
        (tmp_path / name).touch()
    planned = make("--dry-run", "demo", "test", f"VENV={tmp_path}").stdout
    assert "pip" not in planned
    assert "-m vclr_pl.train experiment=demo" in planned
    assert planned.rstrip().splitlines()[-1].strip().startswith(f"{tmp_path}/bin/python -m pytest")
