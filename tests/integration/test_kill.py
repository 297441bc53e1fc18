"""Six kills of `benchmarks/kill.py`, as users' machines do it: each command, started again, ends like one that was never killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "kill.py"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="kill.py finds processes in /proc")
def test_six_kills() -> None:
    program = [sys.executable, str(SCRIPT), "--fork", "--kills", "6", "--seed", "1"]
    done = subprocess.run(program, capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 of 6 kills end like the undisturbed command" in done.stdout
