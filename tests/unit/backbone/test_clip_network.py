from __future__ import annotations

import pytest
import torch

from vclr_pl.backbone.clip_network import clip_network
from vclr_pl.types import InputError


@torch.no_grad()
def test_clips_become_pooled_features() -> None:
    network = clip_network(name="r3d_18").eval()
    assert network(torch.randn(2, 3, 4, 32, 32)).shape == (2, 512) == (2, network.feature_dim)


def test_a_frame_network_is_refused() -> None:
    with pytest.raises(InputError, match="r3d_18"):
        clip_network(name="resnet18")
