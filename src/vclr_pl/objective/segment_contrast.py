"""Segment-level contrast, the paper's own term: two tuples of frames of one video are positives (VCLR section 3.3).

Each tuple is one frame of every segment, so both cover the whole video; its feature is the mean over the tuple, projected.
"""

from __future__ import annotations

from typing import ClassVar

from vclr_pl.objective.contrast_with_queue import ContrastWithQueue


class SegmentContrast(ContrastWithQueue):
    """Head and queue `segment`: query and key `[B, D]`, queue `[K, D]`."""

    head: ClassVar[str] = "segment"
