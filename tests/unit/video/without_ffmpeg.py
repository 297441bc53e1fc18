"""torchcodec as it is on a machine without FFmpeg: its own files, but for the libraries that FFmpeg's are needed for."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path


def run_without_ffmpeg(folder: Path, program: str) -> subprocess.CompletedProcess[str]:
    """Runs Python code in a process in which torchcodec cannot load FFmpeg; `folder` is for the package's links."""
    found = importlib.util.find_spec("torchcodec")
    assert found is not None
    assert found.origin is not None
    package = folder / "torchcodec"
    package.mkdir()
    for file in Path(found.origin).parent.iterdir():
        if not file.name.startswith(("libtorchcodec_core", "libtorchcodec_custom_ops")):
            (package / file.name).symlink_to(file)
    path = os.pathsep.join([str(folder), *sys.path])
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False, env={**os.environ, "PYTHONPATH": path}
    )
