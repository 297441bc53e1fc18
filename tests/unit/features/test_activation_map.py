"""Maps against closed forms: where mean pooling follows the layer, the gradient is known without a library.

Legend: T frames, C channels, t h w moments and positions of the layer.
"""

from __future__ import annotations

import importlib
from typing import Any

import pytest
import torch
from tests.unit.features.pretrained_file import small_backbone
from torch import Tensor, nn

from vclr_pl.backbone.resnet import clip_network, resnet
from vclr_pl.data.transform.evaluation_view import EvaluationView
from vclr_pl.features.activation_map import ClassScore, FeatureNorm, MapTarget, Similarity, feature_of, map_video, stage_of, times_of
from vclr_pl.features.encoder import FrozenEncoder
from vclr_pl.types import InputError

pytest.importorskip("pytorch_grad_cam")


def encoder_of(backbone: nn.Module, *, frames_per_clip: int = 1) -> FrozenEncoder:
    view = EvaluationView(frames=4, crop_pixels=64, short_side_pixels=None, mean=(0.4, 0.5, 0.6), std=(0.2, 0.2, 0.3))
    return FrozenEncoder(backbone=backbone, view=view, frames_per_clip=frames_per_clip, frame_stride=1, origin="drawn")


def drawn_frames(*shape: int) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def activations_of(encoder: FrozenEncoder, frames: Tensor) -> Tensor:
    """The last stage's output `[T, C, h, w]`, or `[T, C, t, h, w]`, by a hook of the test's own."""
    seen: list[Tensor] = []
    stage = getattr(encoder.backbone, "layer4", None) or encoder.backbone.stages
    handle = stage.register_forward_hook(lambda module, given, output: seen.append(output.detach()))
    feature_of(encoder, frames)
    handle.remove()
    return seen[0]


def network_of(kind: str) -> tuple[FrozenEncoder, Tensor]:
    torch.manual_seed(3)
    if kind == "clips":
        return encoder_of(clip_network(name="r3d_18"), frames_per_clip=8), drawn_frames(2, 3, 8, 48, 48)
    backbone: Any = small_backbone() if kind == "small" else resnet(name=kind)
    return encoder_of(backbone), drawn_frames(3, 3, 64, 64)


@pytest.mark.parametrize(("kind", "positions"), [("small", (16, 16)), ("resnet18", (2, 2)), ("clips", (1, 3, 3))])
def test_the_norms_map_is_each_positions_share_of_the_feature(kind: str, positions: tuple[int, ...]) -> None:
    """d|f| / dA = f / (|f| T h w) at every position, so that the map is f . A / (|f| T h w) and sums to |f|."""
    encoder, frames = network_of(kind)
    found = map_video(encoder, frames, target=FeatureNorm(), layer=None)
    activations, feature = activations_of(encoder, frames), feature_of(encoder, frames)
    places = activations[:, 0].numel()
    expected = torch.einsum("f,tf...->t...", feature, activations) / feature.norm() / places
    assert float(expected.sum()) == pytest.approx(float(feature.norm()), rel=1e-5)
    assert (found.positions, found.target) == (positions, "feature norm")
    assert found.score == pytest.approx(float(feature.norm()), rel=1e-6)
    mode = "trilinear" if kind == "clips" else "bilinear"
    large = nn.functional.interpolate(expected[:, None], size=frames.shape[-len(positions) :], mode=mode)[:, 0]
    torch.testing.assert_close(found.maps, large.reshape(-1, *frames.shape[-2:]), rtol=1e-4, atol=1e-7)
    assert found.maps.shape == (len(found.frames), *frames.shape[-2:])


def test_the_cosines_map_is_its_gradient_and_what_lowers_it_is_cut() -> None:
    """d cos / df = (g / |g| - cos f / |f|) / |f|, spread evenly over frames and positions."""
    encoder, frames = network_of("resnet18")
    other_frames = drawn_frames(2, 3, 64, 64) // 2
    other = feature_of(encoder, other_frames)
    found = map_video(encoder, frames, target=Similarity(other=other, other_name="b.mp4", frames=other_frames), layer=None)
    activations, feature = activations_of(encoder, frames), feature_of(encoder, frames)
    cosine = feature @ other / feature.norm() / other.norm()
    weights = (other / other.norm() - cosine * feature / feature.norm()) / feature.norm() / activations[:, 0].numel()
    signed = torch.einsum("f,tfhw->thw", weights, activations)
    assert float(signed.min()) < 0 < float(signed.max())
    large = nn.functional.interpolate(signed.clamp(min=0)[:, None], size=(64, 64), mode="bilinear")[:, 0]
    torch.testing.assert_close(found.maps, large, rtol=1e-3, atol=1e-8)
    assert found.score == pytest.approx(float(cosine), rel=1e-5)
    assert found.target == "similarity to b.mp4"
    assert found.compared is not None
    assert torch.equal(found.compared, other_frames)


def test_a_classs_map_has_the_classifiers_weights() -> None:
    """A linear classifier after mean pooling: Zhou et al.'s class activation map, divided by the number of positions."""
    backbone = resnet(name="resnet18")
    backbone.fc, backbone.feature_dim = nn.Linear(512, 5), 5
    encoder, frames = encoder_of(backbone), drawn_frames(2, 3, 64, 64)
    found = map_video(encoder, frames, target=ClassScore(index=3, class_name="wave"), layer=None)
    activations = activations_of(encoder, frames)
    expected = torch.einsum("f,tfhw->thw", backbone.fc.weight[3], activations).clamp(min=0) / activations[:, 0].numel()
    large = nn.functional.interpolate(expected[:, None], size=(64, 64), mode="bilinear")[:, 0]
    torch.testing.assert_close(found.maps, large, rtol=1e-4, atol=1e-8)
    assert found.score == pytest.approx(float(feature_of(encoder, frames)[3]), rel=1e-5)
    assert found.highest == float(found.maps.max())


def test_an_earlier_layer_is_weighted_with_its_mean_gradient() -> None:
    """No closed form: autograd on the network split by hand."""
    encoder, frames = network_of("resnet18")
    found = map_video(encoder, frames, target=FeatureNorm(), layer="layer3")
    network: Any = encoder.backbone
    with torch.no_grad():
        stem = network.maxpool(network.relu(network.bn1(network.conv1(encoder.view.normalize(frames)))))
        inner = network.layer3(network.layer2(network.layer1(stem)))
    inner.requires_grad_(True)
    score = network.layer4(inner).mean(dim=(2, 3)).mean(dim=0).norm()
    (gradient,) = torch.autograd.grad(score, inner)
    expected = (gradient.mean(dim=(2, 3), keepdim=True) * inner).sum(dim=1).clamp(min=0).detach()
    large = nn.functional.interpolate(expected[:, None], size=(64, 64), mode="bilinear")[:, 0]
    torch.testing.assert_close(found.maps, large, rtol=1e-3, atol=1e-7)
    assert found.positions == (4, 4)


def test_the_encoder_stays_frozen_and_keeps_nothing() -> None:
    encoder, frames = network_of("small")
    map_video(encoder, frames, target=FeatureNorm(), layer=None)
    assert not any(parameter.requires_grad or parameter.grad is not None for parameter in encoder.parameters())
    assert not any(module._forward_hooks for module in encoder.modules())
    with torch.no_grad():  # as an entry point may
        map_video(encoder, frames, target=FeatureNorm(), layer=None)


def test_frames_know_their_time_in_a_video_that_is_long_enough_and_in_a_short_one() -> None:
    encoder, _ = network_of("small")  # a view of four frames
    assert times_of(encoder, 4) == pytest.approx((0, 1 / 3, 2 / 3, 1), abs=1e-4)
    assert times_of(encoder, 3) == (0, 0.5, 1)
    assert times_of(encoder, 1) == (0,)


def test_clips_come_one_after_another() -> None:
    encoder, frames = network_of("clips")
    found = map_video(encoder, frames, target=FeatureNorm(), layer=None)
    assert (len(found.frames), found.frames_per_clip) == (16, 8)
    assert torch.equal(found.frames[11], frames[1, :, 3])


@pytest.mark.parametrize("layer", ["layer9", "avgpool"])
def test_a_layer_that_does_not_serve_is_told_with_those_that_do(layer: str) -> None:
    with pytest.raises(InputError, match=rf"layer3, layer4.*got layer={layer}"):
        stage_of(resnet(name="resnet18"), layer)


def test_the_last_stage_of_a_network_of_another_kind_has_to_be_named() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    with pytest.raises(InputError, match="got layer=None"):
        stage_of(network, None)
    assert stage_of(network, "0") is network[0]


def test_without_the_library_the_command_that_installs_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Any:
        raise ImportError(name)

    encoder, frames = network_of("small")
    target: MapTarget = FeatureNorm()
    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(InputError, match="pip install grad-cam"):
        map_video(encoder, frames, target=target, layer=None)
