"""What the ffmpeg program shows of a video, as the right value of tests of decoders."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import torch
from torch import Tensor


def run_ffmpeg(ffmpeg: str, *arguments: str | Path) -> None:
    subprocess.run([ffmpeg, "-v", "error", "-y", *map(str, arguments)], check=True, timeout=60, stdin=subprocess.DEVNULL)


def shown_by_ffmpeg(ffmpeg: str, path: Path, *, height: int, width: int) -> Tensor:
    """uint8 RGB `[T, C, H, W]` of all frames."""
    command = [ffmpeg, "-v", "error", "-i", str(path), "-map", "0:V:0"]
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-fps_mode", "passthrough", "-"]
    done = subprocess.run([*command, *raw], check=True, timeout=60, capture_output=True, stdin=subprocess.DEVNULL)
    return torch.from_numpy(np.frombuffer(done.stdout, np.uint8).reshape(-1, height, width, 3).copy()).permute(0, 3, 1, 2)


def apart(frames: Tensor, others: Tensor) -> float:
    """The largest mean absolute difference of a frame, of 255 levels."""
    assert frames.shape == others.shape
    return float((frames.float() - others.float()).abs().mean(dim=(1, 2, 3)).max())
