"""Every script in benchmarks/ can be imported: they use functions of the package and of one another."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
IMPORTED = """
import importlib, sys
wrong = []
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except ImportError as error:
        wrong.append(f"{name}: {error}")
print("; ".join(wrong), end="")
"""


def test_every_script_can_be_imported():
    names = sorted(path.stem for path in BENCHMARKS.glob("*.py"))
    assert "training_step" in names
    done = subprocess.run([sys.executable, "-c", IMPORTED, *names], cwd=BENCHMARKS, capture_output=True, text=True, check=True)
    assert done.stdout == ""
