"""Rows of maps whose frames and values tell their number."""

from __future__ import annotations

import numpy as np

from vclr_pl.report.activation_sheet import MapRow


def mapped_row(name: str, *, frames: int, highest: float = 1.0, frames_per_clip: int = 1) -> MapRow:
    """Frame n is of level 20 n, its map highest (n + 1) / frames, everywhere; 16 x 16 pixels."""
    levels = np.arange(frames, dtype=np.float32)[:, None, None]
    return MapRow(
        name=name,
        target="feature norm",
        score=12.3456,
        positions=(4, 4),
        frames_per_clip=frames_per_clip,
        times=tuple(float(time) for time in np.linspace(0, 1, frames // frames_per_clip)),
        frames=np.broadcast_to((20 * levels)[..., None], (frames, 16, 16, 3)).astype(np.uint8),
        maps=np.broadcast_to(highest * (levels + 1) / frames, (frames, 16, 16)).astype(np.float32),
    )
