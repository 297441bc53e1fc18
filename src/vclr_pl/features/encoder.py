"""A frozen encoder from a file, with its preprocessing of videos (view).

Legend: B videos, T frames, N frames of all videos, C channels, H W pixels, F features; `*view` a frame `[C, H, W]` or a clip
`[C, t, H, W]`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vclr_pl.backbone.declaration import feature_dim_of, input_pixels_of, normalization_of, refuse_other_length, refuse_other_size
from vclr_pl.data.transform.evaluation_view import EvaluationView
from vclr_pl.features.encoder_file import EncoderFile, build_backbone, read_encoder_file, recognize_architecture
from vclr_pl.features.named_encoder import named_network
from vclr_pl.features.pooling import MEAN, MEAN_POOLING, FramePooling, frame_pooling
from vclr_pl.features.sharing import HUB, SharedEncoder, local_path, run_folder
from vclr_pl.types import InputError, usual_short_side

RANDOM = "random"


@dataclass(frozen=True)
class LoadedBackbone:
    """`network` with its weights; `architecture` rebuilds it (None for a module given by the user, if the file does not describe it)."""

    network: Any
    architecture: Mapping[str, Any] | None
    origin: str  # description: source and number of tensors
    view: Mapping[str, Any]  # keys of `encoder_file.VIEW`, as far as the file gives them
    clip: Mapping[str, Any]  # frames_per_clip, frame_stride, as far as the file gives them
    run: Path | None = None  # the run folder, for a model card


def load_backbone(path: str, *, momentum: bool, backbone: nn.Module | None, crop_pixels: int | None = None) -> LoadedBackbone:
    """The backbone of a run folder, a checkpoint, an exported backbone, a published VCLR or MoCo v2 file, torchvision's weights, or a name.

    Args:
        path: of the file or folder; nothing in it is executed. `random` takes `backbone` as it is. `timm:NAME` and the like: see
            `named_network`.
        momentum: the momentum encoder in place of the query encoder.
        backbone: the network, if the file does not describe it or names a network outside this package.
        crop_pixels: height and width of the frames, for a named network; None for those that it was made for.

    Raises:
        InputError: an unknown format, or a file with an incomplete or a deeper backbone.
    """
    if path == RANDOM:
        if backbone is None:
            raise InputError(expected="a network for encoder=random", got="none", hint="Set for instance backbone=resnet50.")
        return LoadedBackbone(network=backbone, architecture=None, origin="random initialization", view={}, clip={})
    named = named_network(path, crop_pixels=crop_pixels)
    if named is not None:
        described, view = named.network.exported_as, {"crop_pixels": named.network.input_pixels, **named.view}
        return LoadedBackbone(network=named.network, architecture=described, origin=named.origin, view=view, clip=named.clip)
    file = local_path(path)
    found = read_encoder_file(file, momentum=momentum)
    architecture = None if backbone is not None else found.architecture or recognize_architecture(found.backbone, path=path)
    network = backbone if architecture is None else build_backbone(architecture)
    assert network is not None
    origin = (path if path.startswith(HUB) else found.origin) + _copy_weights(found, network, path=path)
    return LoadedBackbone(
        network=network,
        architecture=architecture,
        origin=origin,
        view=found.view,
        clip=found.clip,
        run=None if momentum else run_folder(Path(file)),
    )


def _copy_weights(found: EncoderFile, network: nn.Module, *, path: str) -> str:
    """Load matching weights and log the result; raises InputError if the backbone is incomplete."""
    own = network.state_dict()
    missing = [name for name in own if name not in found.backbone and not name.endswith("num_batches_tracked")]
    wrong = [name for name in own if name in found.backbone and own[name].shape != found.backbone[name].shape]
    if missing or wrong:
        first = missing[0] if missing else f"{wrong[0]} of shape {tuple(found.backbone[wrong[0]].shape)}"
        raise InputError(
            expected=f"all {len(own)} tensors of the backbone in {path}",
            got=f"{len(missing)} missing, {len(wrong)} of another shape, the first {first}",
            hint="Set backbone=... to the network of the file.",
        )
    network.load_state_dict({name: found.backbone.get(name, tensor) for name, tensor in own.items()})
    _refuse_deeper(found, own, path=path)
    unused = [*(name for name in found.backbone if name not in own), *found.unused]
    shown = f" ({', '.join(unused[:3])}{', ...' if len(unused) > 3 else ''})" if unused else ""
    loaded = sum(name in found.backbone for name in own)
    return f": {loaded} tensors loaded, {len(own) - loaded} missing, {len(unused)} unused{shown}"


def _refuse_deeper(found: EncoderFile, own: Mapping[str, Any], *, path: str) -> None:
    """Refuse a file with a deeper network, which contains all tensor names of a shallower one of the same family."""
    deeper = [name for name in found.backbone if name.startswith(("layer", "stages.")) and name not in own]
    if deeper:
        raise InputError(
            expected=f"the backbone of {path}, which has {deeper[0]}",
            got=f"a smaller one, without {len(deeper)} of its tensors",
            hint="Set backbone=... to the network of the file.",
        )


IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
PUBLISHED_POOLING = {"pooling": MEAN_POOLING, "pooling_segments": 3}
PUBLISHED_VIEW: dict[str, Any] = {"frames": 30, "crop_pixels": 224, **IMAGENET, **PUBLISHED_POOLING}
STORED = "stored"  # value of short_side_pixels: frames keep their size

SINGLE_FRAMES = {"frames_per_clip": 1, "frame_stride": 1}


class FrozenEncoder(SharedEncoder, nn.Module):
    """A frozen encoder: evaluation mode, no gradients.

    Args:
        backbone: `[N, *view]` to `[N, F]`, with `feature_dim`.
        view: frames of a video, their crop and normalization.
        frames_per_clip, frame_stride: frames of one network input and their distance; 1 and 1 for single frames.
        origin: description of the source.
        pooling: of the features of a video's frames; `feature_dim` is that of a video.
    """

    def __init__(
        self,
        *,
        backbone: Any,
        view: EvaluationView,
        frames_per_clip: int,
        frame_stride: int,
        origin: str,
        pooling: FramePooling = MEAN,
    ) -> None:
        super().__init__()
        self.backbone: nn.Module = backbone
        self.pooling, self.feature_dim = pooling, pooling.segments * feature_dim_of(backbone)
        self.view, self.origin = view, origin
        self.frames_per_clip, self.frame_stride = frames_per_clip, frame_stride
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                layer.to(memory_format=torch.channels_last)
        self.eval().requires_grad_(False)

    def transform(self, frames: Tensor) -> Tensor:
        """uint8 RGB `[..., C, H, W]` of any size to float32, cropped and normalized, `[..., C, crop, crop]`."""
        flat = frames.reshape(-1, *frames.shape[-3:])
        ready = self.view.normalize(self.view.crop(flat))
        return ready.reshape(*frames.shape[:-2], *ready.shape[-2:])

    def forward(self, frames: Tensor) -> Tensor:
        """Transformed frames `[B, T, C, H, W]` (clips: `[B, T, C, t, H, W]`) to features `[B, feature_dim]`, pooled over T, not scaled."""
        pooled_NF = self.pooled(frames.flatten(0, 1))
        return self.pooling(pooled_NF.reshape(*frames.shape[:2], -1))

    def normalize(self, frames: Tensor) -> Tensor:
        """Cropped uint8 frames `[N, C, H, W]` or clips `[N, C, t, H, W]` to float32."""
        return self.view.normalize(frames, clips=frames.dim() == 5)

    def pooled(self, frames: Tensor) -> Tensor:
        """Frames or clips `[N, *view]` to float32 `[N, F]`."""
        if frames.dim() == 4:
            frames = frames.contiguous(memory_format=torch.channels_last)
        features: Tensor = self.backbone(frames)
        return features.float()

    def with_pooling(self, segments: int) -> FrozenEncoder:
        """The same encoder, with the features of a video pooled into `segments` equal segments."""
        clip = {"frames_per_clip": self.frames_per_clip, "frame_stride": self.frame_stride}
        return FrozenEncoder(backbone=self.backbone, view=self.view, origin=self.origin, pooling=FramePooling(segments), **clip)

    def digest(self) -> str:
        """Digest of weights and network, 16 hexadecimal digits; encoders with equal digests give equal features."""
        digest = hashlib.sha256(repr(self.backbone).encode())
        for name, tensor in sorted(self.backbone.state_dict().items()):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
        return digest.hexdigest()[:16]


def load_encoder(
    path: str, *, momentum: bool = False, backbone: nn.Module | None = None, view: Mapping[str, Any] | None = None
) -> FrozenEncoder:
    """The encoder of a run folder, a checkpoint, an exported backbone, a published VCLR or MoCo v2 file, torchvision's weights, or a name.

    Args:
        path: of the file or folder; nothing in it is executed. `random` takes `backbone` as it is; for `timm:NAME`, `hf:NAME`,
            `hf://owner/name` and others see docs/weights.md.
        momentum: the momentum encoder in place of the query encoder.
        backbone: the network, if the file does not describe it or names a network outside this package.
        view: `frames`, `crop_pixels`, `short_side_pixels`, `mean`, `std`; they override those of the file or, if it has none, the
            published 30, 224 and ImageNet's; a network that declares its normalization keeps it. `frames_per_clip` and
            `frame_stride` of a 3D network. Without a short side, 256/224 of the crop is used; `stored` crops frames of the
            stored size. `pooling` (`mean`, `segments`) and `pooling_segments`.

    Raises:
        InputError: an unknown format, a file with an incomplete backbone, clips of unknown length for a 3D network, or clips for
            a 2D network.
    """
    chosen = view or {}
    loaded = load_backbone(path, momentum=momentum, backbone=backbone, crop_pixels=chosen.get("crop_pixels"))
    return frozen(loaded, view=chosen, published=False)


def frozen(loaded: LoadedBackbone, *, view: Mapping[str, Any], published: bool) -> FrozenEncoder:
    """`loaded` with its view.

    Args:
        view: as in `load_encoder`.
        published: use frames of the stored size if neither `view` nor the file gives a short side, as in the published evaluation.

    Raises:
        InputError: clips of unknown length for a 3D network, clips for a 2D network, or an invalid short side.
    """
    chosen = {name: value for name, value in view.items() if value is not None}
    chosen_clip = {**SINGLE_FRAMES, **loaded.clip, **chosen}
    clip = {name: int(chosen_clip[name]) for name in SINGLE_FRAMES}
    _require_fitting_clips(loaded.network, frames_per_clip=clip["frames_per_clip"])
    declared, pixels = normalization_of(loaded.network), input_pixels_of(loaded.network)
    made_for = {} if pixels is None else {"crop_pixels": pixels}
    merged = {**PUBLISHED_VIEW, **made_for, **loaded.view, **({} if declared is None else vars(declared)), **chosen}
    merged["short_side_pixels"] = _short_side(crop_pixels=merged["crop_pixels"], of_file=loaded.view, chosen=chosen, published=published)
    refuse_other_size(loaded.network, pixels=merged["crop_pixels"], option="protocol.crop_pixels")
    refuse_other_length(loaded.network, frames_per_clip=clip["frames_per_clip"], option="protocol.frames_per_clip")
    pooling = frame_pooling(**{name: merged.pop(name) for name in PUBLISHED_POOLING})
    view_of_frames = EvaluationView(**{name: value for name, value in merged.items() if name not in clip})
    encoder = FrozenEncoder(backbone=loaded.network, view=view_of_frames, origin=loaded.origin, pooling=pooling, **clip)
    encoder.run = loaded.run
    return encoder


def _short_side(*, crop_pixels: int, of_file: Mapping[str, Any], chosen: Mapping[str, Any], published: bool) -> int | None:
    """The given short side, else that of a file with the same crop, else that of the data. None in a file is ignored."""
    given = chosen.get("short_side_pixels")
    if given == STORED:
        return None
    if given is not None:
        if not isinstance(given, int) or given < 1:
            raise InputError(
                expected="protocol.short_side_pixels of at least 1, or `stored`",
                got=str(given),
                hint=f"Set protocol.short_side_pixels={usual_short_side(crop_pixels)}.",
            )
        return given
    side = of_file.get("short_side_pixels")
    if side is not None and of_file.get("crop_pixels", crop_pixels) == crop_pixels:
        return int(side)
    return None if published else usual_short_side(crop_pixels)


def _require_fitting_clips(network: nn.Module, *, frames_per_clip: int) -> None:
    """Raises InputError if clips do not fit the network. A network without `takes_clips` is not checked here."""
    takes_clips = getattr(network, "takes_clips", None)
    if takes_clips is not None and takes_clips != (frames_per_clip > 1):
        raise InputError(
            expected="a clip length for a 3D network" if takes_clips else "single frames for a 2D network",
            got=f"frames_per_clip={frames_per_clip}" if frames_per_clip > 1 else "a 3D network without a clip length in its file",
            hint="Set protocol.frames_per_clip=8 protocol.frame_stride=2, or the values used in training."
            if takes_clips
            else "Remove protocol.frames_per_clip.",
        )


@dataclass(frozen=True, kw_only=True)
class EvaluationProtocol:
    """Loads encoders with their view.

    Args:
        frames, crop_pixels, mean, std: None for the values in the encoder's file, or, if it has none, for the published
            ones. The frames are evenly spaced over each video.
        short_side_pixels: None for that of the file, or, if it has none, for 256/224 of the crop; `stored` for no resizing.
        frames_per_clip, frame_stride: for 3D networks; None takes them from the file.
        pooling, pooling_segments: see `frame_pooling`; None for those of the file, or, if it has none, for `mean` and 3.
    """

    frames: int | None
    crop_pixels: int | None
    short_side_pixels: int | str | None
    mean: Sequence[float] | None
    std: Sequence[float] | None
    frames_per_clip: int | None
    frame_stride: int | None
    pooling: str | None
    pooling_segments: int | None

    def load(self, path: str, *, momentum: bool, backbone: nn.Module | None) -> FrozenEncoder:
        """Load an encoder for the user's own videos; see `load_encoder`."""
        return self.show(self.read(path, momentum=momentum, backbone=backbone), published=False)

    def read(self, path: str, *, momentum: bool, backbone: nn.Module | None) -> LoadedBackbone:
        """See `load_backbone`."""
        return load_backbone(path, momentum=momentum, backbone=backbone, crop_pixels=self.crop_pixels)

    def show(self, loaded: LoadedBackbone, *, published: bool) -> FrozenEncoder:
        """See `frozen`."""
        return frozen(loaded, view=vars(self), published=published)
