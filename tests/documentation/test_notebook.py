"""The notebook runs from its first cell to its last, and is committed with the outputs that the site shows.

To renew the outputs: .venv/bin/python -m jupyter execute --inplace docs/own_videos.ipynb
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.documentation.documented_commands import ROOT, anchors, links

NOTEBOOK = ROOT / "docs" / "own_videos.ipynb"
MOST_BYTES = 160_000


def outputs(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    return [output for cell in notebook["cells"] if cell["cell_type"] == "code" for output in cell["outputs"]]


def printed(notebook: dict[str, Any]) -> str:
    return "".join("".join(output.get("text", "")) for output in outputs(notebook))


def pictures(notebook: dict[str, Any]) -> int:
    return sum("image/jpeg" in output.get("data", {}) for output in outputs(notebook))


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    pytest.importorskip("nbclient", reason="pip install nbclient ipykernel")
    folder = tmp_path_factory.mktemp("notebook")
    command = [sys.executable, "-m", "jupyter", "execute", f"--output={folder / 'executed.ipynb'}", str(NOTEBOOK)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"TMPDIR": str(folder)}, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "executed.ipynb").read_text())


def test_the_notebook_runs_and_finds_videos_of_the_same_class(executed):
    found = re.search(r"has the query's class for (\d+)% of the videos", printed(executed))
    assert found is not None
    assert int(found.group(1)) >= 30  # chance is 10, the random network reaches 24
    assert "150 of 150 files are readable" in printed(executed)
    assert pictures(executed) == 2


def test_the_committed_outputs_are_whole_and_small():
    committed = json.loads(NOTEBOOK.read_text())
    assert NOTEBOOK.stat().st_size < MOST_BYTES
    assert pictures(committed) == 2
    assert "retrieval R@1" in printed(committed)
    assert not re.search(r"/(?:tmp|home|root)/", printed(committed))
    assert not [output for output in outputs(committed) if output["output_type"] == "error"]


def test_its_links_lead_somewhere():
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    found = [link for cell in cells if cell["cell_type"] == "markdown" for link in links("".join(cell["source"]))]
    assert len(found) >= 3
    for link in found:
        place, _, anchor = link.partition("#")
        target = Path(NOTEBOOK.parent / place)
        assert target.is_file()
        assert not anchor or anchor in anchors(target.read_text())
