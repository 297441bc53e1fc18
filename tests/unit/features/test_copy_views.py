"""The views of a video against crops and mirror images made one by one."""

from __future__ import annotations

import pytest
import torch
from tests.unit.features.pretrained_file import small_backbone
from torch import Tensor, nn

from vclr_pl.features.copy_views import VIEWS, CopyViews, views, with_copy_views
from vclr_pl.features.encoder import load_encoder


class Corners(nn.Module):
    """Brightness of the upper left and the upper right quarter."""

    feature_dim = 2

    def forward(self, frames: Tensor) -> Tensor:
        half = frames.shape[-1] // 2
        top = frames[..., : frames.shape[-2] // 2, :]
        return torch.stack([part.flatten(1).mean(dim=1) for part in (top[..., :half], top[..., half:])], dim=1)


@pytest.mark.parametrize("shape", [(2, 3, 40, 60), (2, 3, 4, 40, 60)])
def test_every_view_has_the_size_of_the_frames(shape: tuple[int, ...]) -> None:
    frames = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    made = list(views(frames))
    assert len(made) == VIEWS
    assert all(view.shape == frames.shape for view in made)
    assert made[0] is frames
    assert torch.equal(made[1], frames[..., range(59, -1, -1)])
    clips = frames if frames.dim() == 4 else frames[:, :, 2]
    for view, (top, left) in zip(made[2:], ((2, 3), (0, 0), (0, 6), (4, 0), (4, 6)), strict=True):
        expected = nn.functional.interpolate(clips[..., top : top + 36, left : left + 54], size=(40, 60), mode="bilinear")
        assert torch.allclose(view if view.dim() == 4 else view[:, :, 2], expected, atol=1e-6)


def test_features_of_all_views_side_by_side() -> None:
    frames = torch.rand(2, 3, 40, 60, generator=torch.Generator().manual_seed(0))
    network = CopyViews(Corners())
    assert network.feature_dim == 14
    found = network(frames).unflatten(1, (VIEWS, -1))
    assert torch.allclose(found[:, 0], Corners()(frames))
    assert torch.allclose(found[:, 1], found[:, 0].flip(1))
    assert torch.allclose(found[:, 3], Corners()(list(views(frames))[3]))


def test_the_encoder_keeps_its_view_and_has_another_digest() -> None:
    encoder = load_encoder("random", backbone=small_backbone(), view={"crop_pixels": 32, "frames": 3})
    wrapped = with_copy_views(encoder)
    frames = torch.randint(0, 256, (1, 3, 3, 32, 32), dtype=torch.uint8)
    assert wrapped.view is encoder.view
    assert wrapped.digest() != encoder.digest()
    assert wrapped.feature_dim == VIEWS * encoder.feature_dim
    whole = wrapped(encoder.transform(frames))[:, : encoder.feature_dim]
    assert torch.allclose(whole, encoder(encoder.transform(frames)), atol=1e-5)
