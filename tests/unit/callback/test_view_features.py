from __future__ import annotations

import pytest
from tests.unit.callback.recognizer_stage import module, stage

from vclr_pl.callback.view_features import ViewFeatures
from vclr_pl.types import InputError


@pytest.mark.parametrize("changes", [{"mode": "full"}, {"limit_train_batches": 1}, {"limit_train_batches": 0.5}, {"views": None}])
def test_videos_are_read_anew_where_features_are_not_kept(changes):
    """The data of the stage cannot train on features."""
    held = stage(limit_train_batches=changes.get("limit_train_batches", 1.0))
    callback = ViewFeatures(views_per_video=changes.get("views", 10))
    callback.on_fit_start(held, module(mode=changes.get("mode", "linear")))
    with pytest.raises(AttributeError, match="train_on"):
        ViewFeatures(views_per_video=10).on_fit_start(stage(limit_train_batches=1.0), module(mode="linear"))


def test_no_views_are_told():
    with pytest.raises(InputError, match="views_per_video of at least 1; got 0"):
        ViewFeatures(views_per_video=0)
