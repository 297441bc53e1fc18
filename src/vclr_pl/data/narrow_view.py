"""A warning where a crop sees little of the frames, as of videos that are larger than the crop expects."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from vclr_pl.data.transform.evaluation_view import EvaluationView, usual_short_side
from vclr_pl.types import NarrowView

logger = logging.getLogger(__name__)

LEAST_FRACTION = 1 / 3


def narrow_view(view: EvaluationView, *, path: str, height: int, width: int) -> tuple[NarrowView, ...]:
    """The video at `path`, where `view` shows less than a third of its frames; else nothing."""
    seen = view.seen_fraction(height=height, width=width)
    if seen >= LEAST_FRACTION:
        return ()
    return (NarrowView(path=path, width_pixels=width, height_pixels=height, crop_pixels=view.crop_pixels, seen_fraction=seen),)


class NarrowViewWarning:
    """Warns at the first such video.

    Args:
        view: that the videos are shown in.
        option: the config node that holds its numbers.
    """

    def __init__(self, *, view: EvaluationView, option: str) -> None:
        self.view, self.option, self.given = view, option, False

    def observe(self, narrow: Sequence[NarrowView]) -> None:
        """The narrow views of one batch, in the process that logs."""
        if self.given or not narrow:
            return
        self.given = True
        first, usual = narrow[0], usual_short_side(narrow[0].crop_pixels)
        side = self.view.short_side_pixels
        remedy = f"; {self.option}.short_side_pixels={usual} shows more" if side is None or side > usual else ""
        logger.warning(
            "the crop of %d pixels sees %.0f%% of the frames of %s (%dx%d)%s",
            first.crop_pixels,
            100 * first.seen_fraction,
            first.path,
            first.width_pixels,
            first.height_pixels,
            remedy,
        )
