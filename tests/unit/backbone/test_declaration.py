from __future__ import annotations

import pytest
from torch import nn

from vclr_pl.backbone.declaration import feature_dim_of, normalization_of, refuse_other_length, refuse_other_views, takes_clips
from vclr_pl.backbone.resnet import SmallResNet
from vclr_pl.types import InputError, Normalization


def test_a_backbone_says_how_many_features_it_has():
    assert feature_dim_of(SmallResNet(widths=[4, 8], stem_stride=2)) == 8


@pytest.mark.parametrize(
    ("width", "told"), [(None, "without it"), ("8", "with feature_dim='8'"), (0, "=0"), (True, "=True"), (2.5, "=2.5")]
)
def test_a_backbone_without_a_feature_size_is_refused(width, told):
    network = nn.Linear(3, 2)
    if width is not None:
        network.feature_dim = width
    with pytest.raises(InputError, match=rf"an attribute feature_dim, .*; got torch\.nn\.modules\.linear\.Linear .*{told}"):
        feature_dim_of(network)


def test_a_network_with_only_a_feature_size_has_plain_defaults():
    network = nn.Linear(3, 2)
    network.feature_dim = 2
    assert (feature_dim_of(network), takes_clips(network), normalization_of(network)) == (2, None, None)
    for frames_per_clip in (1, 8):
        refuse_other_views(network, frames_per_clip=frames_per_clip, for_clips="", for_frames="")


def test_what_a_network_declares_is_taken():
    network, own = nn.Linear(3, 2), Normalization(mean=(0.5,) * 3, std=(0.25,) * 3)
    network.takes_clips, network.input_normalization = True, own
    assert (takes_clips(network), normalization_of(network)) == (True, own)
    refuse_other_views(network, frames_per_clip=8, for_clips="", for_frames="")
    with pytest.raises(InputError, match=r"sampling\.frames_per_clip=1 for a backbone that takes clips. Set 8"):
        refuse_other_views(network, frames_per_clip=1, for_clips="Set 8.", for_frames="Set 1.")
    network.takes_clips = False
    with pytest.raises(InputError, match=r"sampling\.frames_per_clip=8 for a backbone that takes frames. Set 1"):
        refuse_other_views(network, frames_per_clip=8, for_clips="Set 8.", for_frames="Set 1.")


def test_a_declaration_of_another_kind_is_refused():
    network = nn.Linear(3, 2)
    network.takes_clips, network.input_normalization = "yes", {"mean": (0.5,) * 3}
    with pytest.raises(InputError, match="takes_clips='yes'"):
        takes_clips(network)
    with pytest.raises(InputError, match=r"vclr_pl\.types\.Normalization; got .*Linear with input_normalization=\{'mean'"):
        normalization_of(network)


def test_clips_of_another_length_are_refused_where_a_network_takes_one():
    network = nn.Identity()
    network.usual_clip, network.takes_any_length = {"frames_per_clip": 16, "frame_stride": 2}, True
    refuse_other_length(network, frames_per_clip=8, option="protocol.frames_per_clip")
    network.takes_any_length = False
    refuse_other_length(network, frames_per_clip=16, option="protocol.frames_per_clip")
    with pytest.raises(InputError, match=r"of 16 frames, .* got protocol\.frames_per_clip=8\. Set protocol\.frames_per_clip=16"):
        refuse_other_length(network, frames_per_clip=8, option="protocol.frames_per_clip")
