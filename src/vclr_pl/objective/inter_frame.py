"""Inter-frame instance discrimination: the anchor against frames of its own video, other videos' frames as negatives.

The positives are the anchor's second augmentation and the query frames of the other segments, all from the momentum
encoder (VCLR section 3.2; SeCo, Yao et al. 2021). With S segments there are S positives and S B rows.
"""

from __future__ import annotations

from typing import ClassVar

from vclr_pl.objective.contrast_with_queue import ContrastWithQueue


class InterFrame(ContrastWithQueue):
    """Head and queue `inter`: query `[B, D]`, keys `[S, B, D]`, queue `[K, D]`."""

    head: ClassVar[str] = "inter"
