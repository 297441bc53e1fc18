from __future__ import annotations

import pytest
from torch import nn

from vclr_pl.backbone.feature_width import feature_dim_of
from vclr_pl.backbone.small_resnet import SmallResNet
from vclr_pl.types import InputError


def test_a_backbone_says_how_many_features_it_has():
    assert feature_dim_of(SmallResNet(widths=[4, 8], stem_stride=2)) == 8


@pytest.mark.parametrize(
    ("width", "told"), [(None, "without it"), ("8", "with feature_dim='8'"), (0, "=0"), (True, "=True"), (2.5, "=2.5")]
)
def test_one_that_does_not_is_refused(width, told):
    network = nn.Linear(3, 2)
    if width is not None:
        network.feature_dim = width
    with pytest.raises(InputError, match=rf"an attribute feature_dim, .*; got torch\.nn\.modules\.linear\.Linear .*{told}"):
        feature_dim_of(network)
