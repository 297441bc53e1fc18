"""Grad-CAM maps of an encoder over a video, with or without a class, for 2D and 3D networks.

Grad-CAM (Selvaraju et al. 2017, equations 1 and 2) weights the channels of a layer by the mean gradient of a score and sums them. The
score here is one number of the whole video, of the mean feature f over its T frames or clips:

- `FeatureNorm`: |f|. Where mean pooling follows the layer, the map of frame t is f . A_t / (|f| T h w), so that the maps of all frames
  and positions sum to |f|: the contribution of each position to the feature.
- `Similarity`: the cosine of f and another video's feature.
- `ClassScore`: one component of f, for a recognizer, whose features are logits.

Negative values are set to 0, as in Grad-CAM. Values are not scaled, so they are comparable between frames of a video.

Legend: T frames or clips, t frames of a clip, N = T t input frames, C channels, H W pixels, h w positions of the layer, F features.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from vclr_pl.backbone.token_layer import grid_of_tokens
from vclr_pl.features.encoder import FrozenEncoder
from vclr_pl.files import evenly_spaced
from vclr_pl.types import InputError

LONG_VIDEO_FRAMES = 10001
LAST_STAGES = ("layer4", "stages")  # of torchvision's 2D and 3D ResNets, and of the small ResNet


class MapTarget(Protocol):
    """A scalar score of a video's feature `[F]`, with its name."""

    name: str

    def __call__(self, feature: Tensor) -> Tensor: ...


class FeatureNorm:
    """The norm of the feature: the total response of the encoder."""

    name = "feature norm"

    def __call__(self, feature: Tensor) -> Tensor:
        length: Tensor = torch.linalg.vector_norm(feature)
        return length


class Similarity:
    """The cosine with another video's feature `[F]`; `other_name` is the name of that video, `frames` its frames or clips, uint8."""

    def __init__(self, *, other: Tensor, other_name: str, frames: Tensor) -> None:
        self.other, self.name, self.frames = other, f"similarity to {other_name}", frames

    def __call__(self, feature: Tensor) -> Tensor:
        return torch.cosine_similarity(feature, self.other.to(feature.device), dim=0)


class ClassScore:
    """The logit of a class, at `index` of the feature."""

    def __init__(self, *, index: int, class_name: str) -> None:
        self.index, self.name = index, f"class {class_name}"

    def __call__(self, feature: Tensor) -> Tensor:
        return feature[self.index]


@dataclass(frozen=True)
class VideoMaps:
    """Maps of one video for one encoder; all frames in temporal order, clip by clip."""

    frames: Tensor  # [N, C, H, W] uint8, as cropped for the encoder
    maps: Tensor  # [N, H, W] float32, 0 or more, in the score's unit, interpolated from `positions`
    positions: tuple[int, ...]  # h, w of the layer; for clips t', h, w
    frames_per_clip: int
    times: tuple[float, ...]  # of the T frames or clips: 0 is the start of the video, 1 its end
    score: float
    target: str  # name of the score
    compared: Tensor | None = None  # [N', C, H, W] uint8, frames of the other video of a similarity

    @property
    def highest(self) -> float:
        return float(self.maps.max())


def map_video(encoder: FrozenEncoder, frames: Tensor, *, target: MapTarget, layer: str | None) -> VideoMaps:
    """Maps of one video.

    Args:
        encoder: 2D or 3D, on any device.
        frames: uint8 `[T, C, H, W]` (clips: `[T, C, t, H, W]`), already cropped.
        target: the score.
        layer: a module of the backbone by its name; None for the last stage.

    Raises:
        InputError: the library grad-cam is not installed, or there is no such layer.
    """
    stage = stage_of(encoder.backbone, layer)
    ready = encoder.normalize(frames.to(device_of(encoder)))
    with differentiable(stage):
        on_a_grid = functools.partial(_on_a_grid, frames_per_clip=frames.shape[2] if frames.dim() == 5 else 1)
        cam = grad_cam()(model=_WholeVideo(encoder), target_layers=[stage], reshape_transform=on_a_grid)
        try:
            with torch.enable_grad():
                (feature,) = cam.activations_and_grads(ready)
                _require_positions(cam.activations_and_grads.activations[0], layer=layer)
                score = target(feature)
                score.backward()
            activations, gradients = cam.activations_and_grads.activations[0], cam.activations_and_grads.gradients[0]
            raw = cam.get_cam_image(ready, stage, [target], activations.numpy(), gradients.numpy())
        finally:
            cam.activations_and_grads.release()
    maps = torch.from_numpy(raw).float().clamp_(min=0)
    return VideoMaps(
        frames=one_after_another(frames.cpu()),
        maps=_interpolated(maps, frames.shape),
        positions=tuple(maps.shape[1:]),
        frames_per_clip=frames.shape[2] if frames.dim() == 5 else 1,
        times=times_of(encoder, len(frames)),
        score=float(score.detach()),
        target=target.name,
        compared=one_after_another(target.frames) if isinstance(target, Similarity) else None,
    )


def _on_a_grid(output: Tensor, *, frames_per_clip: int) -> Tensor:
    """Tokens `[N, P, D]` with their height and width; other outputs as they are."""
    return grid_of_tokens(output, frames_per_clip=frames_per_clip) if output.dim() == 3 else output


def _require_positions(activations: Tensor, *, layer: str | None) -> None:
    """Raises InputError unless the layer's output has channels and positions: `[N, C, h, w]`, or `[N, C, t', h, w]` for clips."""
    if activations.dim() not in (4, 5):
        raise _without_grid(f"{f'layer={layer}' if layer else 'a last layer'} with an output of shape {tuple(activations.shape)}")


def _without_grid(found: str) -> InputError:
    expected = "a layer whose output has a height and a width, or tokens of a grid"
    return InputError(expected=expected, got=found, hint="Choose a convolutional network or a vision transformer.")


def times_of(encoder: FrozenEncoder, count: int) -> tuple[float, ...]:
    """Temporal positions of the `count` frames or clips of the encoder's view, as fractions of the video."""
    indices = encoder.view.indices(LONG_VIDEO_FRAMES)
    if len(indices) != count:  # if the video has fewer frames than the view, all are used
        indices = evenly_spaced(LONG_VIDEO_FRAMES, count, at="ends")
    return tuple(index / (LONG_VIDEO_FRAMES - 1) for index in indices)


def feature_of(encoder: FrozenEncoder, frames: Tensor) -> Tensor:
    """The feature `[F]` of one video; `frames` as in `map_video`."""
    with torch.no_grad():
        feature: Tensor = encoder(encoder.normalize(frames.to(device_of(encoder)))[None])[0]
    return feature


def one_after_another(frames: Tensor) -> Tensor:
    """`[T, C, t, H, W]` to `[T t, C, H, W]`; frames are unchanged."""
    return frames.transpose(1, 2).flatten(0, 1) if frames.dim() == 5 else frames


def device_of(encoder: nn.Module) -> torch.device:
    return next(encoder.parameters()).device


def stage_of(backbone: nn.Module, layer: str | None) -> nn.Module:
    """The module named `layer`, or the last stage. For a sequence, its last module, which has the same output.

    Raises:
        InputError: no such module, or no known last stage.
    """
    inner = getattr(backbone, "backbone", backbone)  # a recognizer's backbone is below its linear layer
    names = [name for name, _ in inner.named_children()]
    declared = getattr(inner, "last_stage", None)
    if declared == "":
        raise _without_grid("a network whose tokens are in another order")
    wanted = layer or declared or next((name for name in LAST_STAGES if name in names), None)
    try:
        stage = inner.get_submodule(wanted) if wanted else None
    except AttributeError:
        stage = None
    if stage is None or not any(True for _ in stage.parameters()):
        raise InputError(
            expected=f"a layer of the backbone with parameters, one of {', '.join(names)} or a part of one",
            got=f"layer={layer}",
            hint="Set layer= to the last stage before pooling, for instance layer=layer4.",
        )
    while isinstance(stage, nn.Sequential):
        stage = stage[-1]
    return stage


@contextlib.contextmanager
def differentiable(stage: nn.Module) -> Iterator[None]:
    """Enable gradients from this module on, which saves the activations before it; afterwards disable them again."""
    stage.requires_grad_(True)
    try:
        yield
    finally:
        stage.requires_grad_(False)
        stage.zero_grad(set_to_none=True)


def grad_cam() -> Any:
    """Import the class `GradCAM` of the library grad-cam.

    Raises:
        InputError: it is not installed.
    """
    try:
        return importlib.import_module("pytorch_grad_cam").GradCAM
    except ImportError:
        raise InputError(expected="the package grad-cam", got="a machine without it", hint="pip install grad-cam") from None


class _WholeVideo(nn.Module):
    """The feature of a video as a batch of one, as required by Grad-CAM."""

    def __init__(self, encoder: FrozenEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, frames: Tensor) -> Tensor:
        feature: Tensor = self.encoder(frames[None])
        return feature


def _interpolated(maps: Tensor, shape: torch.Size) -> Tensor:
    """Interpolate `[T, h, w]` to `[T, H, W]`; for clips `[T, t', h, w]` to `[T t, H, W]`."""
    clips = len(shape) == 5
    size, mode = (tuple(shape[2:]), "trilinear") if clips else (tuple(shape[-2:]), "bilinear")
    large = nn.functional.interpolate(maps[:, None], size=size, mode=mode, align_corners=False)[:, 0]
    return large.flatten(0, 1) if clips else large
