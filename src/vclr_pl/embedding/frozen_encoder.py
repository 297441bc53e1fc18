"""A video encoder for use: frames in, one feature a video out, with the transform that it was trained for.

Legend: B videos, T frames, N frames of all videos, C channels, H W pixels, F features; `*view` a frame `[C, H, W]` or a clip
`[C, t, H, W]`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from vclr_pl.backbone.feature_width import feature_dim_of
from vclr_pl.data.transform.evaluation_view import EvaluationView, usual_short_side
from vclr_pl.embedding.loaded_backbone import LoadedBackbone, load_backbone
from vclr_pl.types import InputError

IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
PUBLISHED_VIEW: dict[str, Any] = {"frames": 30, "crop_pixels": 224, **IMAGENET}
STORED = "stored"  # in place of a short side: frames keep their size

SINGLE_FRAMES = {"frames_per_clip": 1, "frame_stride": 1}


class FrozenEncoder(nn.Module):
    """In evaluation mode, without gradients of its own accord.

    Args:
        backbone: `[N, *view]` to `[N, F]`, with `feature_dim`.
        view: which frames of a video, their crop and their normalization.
        frames_per_clip, frame_stride: of what the network sees at once; 1 and 1 for single frames.
        origin: where it comes from, in words.
    """

    def __init__(self, *, backbone: Any, view: EvaluationView, frames_per_clip: int, frame_stride: int, origin: str) -> None:
        super().__init__()
        self.backbone: nn.Module = backbone
        self.feature_dim = feature_dim_of(backbone)
        self.view, self.origin = view, origin
        self.frames_per_clip, self.frame_stride = frames_per_clip, frame_stride
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                layer.to(memory_format=torch.channels_last)
        self.eval().requires_grad_(False)

    def transform(self, frames: Tensor) -> Tensor:
        """uint8 RGB `[..., C, H, W]` of any size to float32, cropped and normalized, `[..., C, crop, crop]`."""
        flat = frames.reshape(-1, *frames.shape[-3:])
        ready = self.view.normalize(self.view.geometry(flat))
        return ready.reshape(*frames.shape[:-2], *ready.shape[-2:])

    def forward(self, frames: Tensor) -> Tensor:
        """Transformed frames `[B, T, C, H, W]` (clips: `[B, T, C, t, H, W]`) to features `[B, F]`: the mean over T, not scaled."""
        pooled_NF = self.pooled(frames.flatten(0, 1))
        return pooled_NF.reshape(*frames.shape[:2], -1).mean(dim=1)

    def pooled(self, frames: Tensor) -> Tensor:
        """Frames or clips `[N, *view]` to float32 `[N, F]`."""
        if frames.dim() == 4:
            frames = frames.contiguous(memory_format=torch.channels_last)
        features: Tensor = self.backbone(frames)
        return features.float()

    def digest(self) -> str:
        """Sixteen hexadecimal digits of the weights and the network's form: equal for equal features of equal frames."""
        found = hashlib.sha256(repr(self.backbone).encode())
        for name, tensor in sorted(self.backbone.state_dict().items()):
            found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            found.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
        return found.hexdigest()[:16]


def load_encoder(
    path: str, *, momentum: bool = False, backbone: nn.Module | None = None, view: Mapping[str, Any] | None = None
) -> FrozenEncoder:
    """The encoder of a run folder, a checkpoint, an exported backbone, a published VCLR or MoCo v2 file, or torchvision's weights.

    Args:
        path: of the file or folder; nothing in it is executed. `random` takes `backbone` as it is.
        momentum: the momentum encoder in place of the query encoder.
        backbone: the network, where the file does not say it or names one that is not of this package.
        view: `frames`, `crop_pixels`, `short_side_pixels`, `mean`, `std` that differ from what the file says, or, where it says
            nothing, from the published 30, 224 and ImageNet's; `frames_per_clip` and `frame_stride` of a 3D network. A short side that
            neither gives is 256/224 of the crop; `stored` crops frames of the stored size.

    Raises:
        InputError: an unknown form, a file that lacks parts of the backbone, clips of unknown length for a 3D network, or clips for
            another one.
    """
    return frozen(load_backbone(path, momentum=momentum, backbone=backbone), view=view or {}, published=False)


def frozen(loaded: LoadedBackbone, *, view: Mapping[str, Any], published: bool) -> FrozenEncoder:
    """`loaded` with its view.

    Args:
        view: as of `load_encoder`.
        published: frames of the stored size where neither `view` nor the file gives a short side, as in the published evaluation.

    Raises:
        InputError: clips of unknown length for a 3D network, clips for another one, or a short side that is no number.
    """
    chosen = {name: value for name, value in view.items() if value is not None}
    told = {**SINGLE_FRAMES, **loaded.clip, **chosen}
    clip = {name: int(told[name]) for name in SINGLE_FRAMES}
    _require_fitting_clips(loaded.network, frames_per_clip=clip["frames_per_clip"])
    merged = {**PUBLISHED_VIEW, **loaded.view, **chosen}
    merged["short_side_pixels"] = _short_side(crop_pixels=merged["crop_pixels"], of_file=loaded.view, chosen=chosen, published=published)
    view_of_frames = EvaluationView(**{name: value for name, value in merged.items() if name not in clip})
    return FrozenEncoder(backbone=loaded.network, view=view_of_frames, origin=loaded.origin, **clip)


def _short_side(*, crop_pixels: int, of_file: Mapping[str, Any], chosen: Mapping[str, Any], published: bool) -> int | None:
    """The one given, else the file's if it is for this crop, else that of the data. A file's None says nothing of other videos."""
    given = chosen.get("short_side_pixels")
    if given == STORED:
        return None
    if given is not None:
        if not isinstance(given, int) or given < 1:
            raise InputError(
                expected="protocol.short_side_pixels of at least 1, or `stored`",
                got=str(given),
                remedy=f"Set protocol.short_side_pixels={usual_short_side(crop_pixels)}.",
            )
        return given
    side = of_file.get("short_side_pixels")
    if side is not None and of_file.get("crop_pixels", crop_pixels) == crop_pixels:
        return int(side)
    return None if published else usual_short_side(crop_pixels)


def _require_fitting_clips(network: nn.Module, *, frames_per_clip: int) -> None:
    """A network that does not say what it takes is tried."""
    takes_clips = getattr(network, "takes_clips", None)
    if takes_clips is not None and takes_clips != (frames_per_clip > 1):
        raise InputError(
            expected="how long the clips of a 3D network are" if takes_clips else "single frames for a network of frames",
            got=f"frames_per_clip={frames_per_clip}" if frames_per_clip > 1 else "a 3D network whose file does not say it",
            remedy="Add protocol.frames_per_clip=8 protocol.frame_stride=2, or what it was trained with."
            if takes_clips
            else "Leave protocol.frames_per_clip out.",
        )
