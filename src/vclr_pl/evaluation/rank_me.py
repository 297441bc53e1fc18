"""RankMe as a measure: the number of dimensions that the features use. It needs no labels."""

from __future__ import annotations

from vclr_pl.evaluation.accuracy import refuse_unusable
from vclr_pl.op.contrast import rank_me
from vclr_pl.types import FeatureTable


class RankMe:
    """`rank_me` of the features of the training videos (Garrido et al. 2023), from 1 to the smaller of videos and feature width.

    It is a number of dimensions, not a percentage. It depends on the number of videos, so compare encoders on the same videos. A rank near
    1 is a collapse; a higher rank is not always a better encoder: noise has a high one.
    """

    needs_labels = False

    def __call__(self, *, gallery: FeatureTable, query: FeatureTable | None) -> dict[str, float]:  # noqa: ARG002 (as all measures)
        """`rank_me` of the gallery.

        Raises:
            InputError: an empty table, or a feature that is not finite.
        """
        refuse_unusable(gallery, role="gallery")
        return {"rank_me": rank_me(gallery.features)}
