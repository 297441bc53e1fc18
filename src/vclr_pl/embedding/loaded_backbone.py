"""A backbone with the weights of any encoder's file, every tensor of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from vclr_pl.embedding.architecture import build_backbone, recognize_architecture
from vclr_pl.embedding.encoder_file import EncoderFile, read_encoder_file
from vclr_pl.types import InputError

RANDOM = "random"


@dataclass(frozen=True)
class LoadedBackbone:
    """`network` with its weights, `architecture` to build it again (None where it was given as a module and the file does not say it)."""

    network: Any
    architecture: Mapping[str, Any] | None
    origin: str  # in words: from where, and how many tensors
    view: Mapping[str, Any]  # frames, crop_pixels, short_side_pixels, mean, std, as far as the file says
    clip: Mapping[str, Any]  # frames_per_clip, frame_stride, as far as the file says


def load_backbone(path: str, *, momentum: bool, backbone: nn.Module | None) -> LoadedBackbone:
    """The backbone of a run folder, a checkpoint, an exported backbone, a published VCLR or MoCo v2 file, or torchvision's weights.

    Args:
        path: of the file or folder; nothing in it is executed. `random` takes `backbone` as it is.
        momentum: the momentum encoder in place of the query encoder.
        backbone: the network, where the file does not say it or names one that is not of this package.

    Raises:
        InputError: an unknown form, a file that lacks parts of the backbone, or holds a deeper one.
    """
    if path == RANDOM:
        if backbone is None:
            raise InputError(expected="a network for encoder=random", got="none", remedy="Name one, for instance backbone=resnet50.")
        return LoadedBackbone(network=backbone, architecture=None, origin="random initialization", view={}, clip={})
    found = read_encoder_file(path, momentum=momentum)
    architecture = None if backbone is not None else found.architecture or recognize_architecture(found.backbone, path=path)
    network = backbone if architecture is None else build_backbone(architecture)
    assert network is not None
    told = _copy_weights(found, network, path=path)
    return LoadedBackbone(network=network, architecture=architecture, origin=found.origin + told, view=found.view, clip=found.clip)


def _copy_weights(found: EncoderFile, network: nn.Module, *, path: str) -> str:
    """Load what fits and say it; raises InputError where the backbone would not be complete."""
    own = network.state_dict()
    missing = [name for name in own if name not in found.backbone and not name.endswith("num_batches_tracked")]
    wrong = [name for name in own if name in found.backbone and own[name].shape != found.backbone[name].shape]
    if missing or wrong:
        first = missing[0] if missing else f"{wrong[0]} of shape {tuple(found.backbone[wrong[0]].shape)}"
        raise InputError(
            expected=f"all {len(own)} tensors of the backbone in {path}",
            got=f"{len(missing)} missing, {len(wrong)} of another shape, the first {first}",
            remedy="Name the network that the file holds (backbone=...).",
        )
    network.load_state_dict({name: found.backbone.get(name, tensor) for name, tensor in own.items()})
    _refuse_deeper(found, own, path=path)
    unused = [*(name for name in found.backbone if name not in own), *found.unused]
    shown = f" ({', '.join(unused[:3])}{', ...' if len(unused) > 3 else ''})" if unused else ""
    loaded = sum(name in found.backbone for name in own)
    return f": {loaded} tensors loaded, {len(own) - loaded} missing, {len(unused)} unused{shown}"


def _refuse_deeper(found: EncoderFile, own: Mapping[str, Any], *, path: str) -> None:
    """A deeper network of the same family holds all names of a shallower one, and would pass as it."""
    odd = [name for name in found.backbone if name.startswith(("layer", "stages.")) and name not in own]
    if odd:
        raise InputError(
            expected=f"the backbone of {path}, which has {odd[0]}",
            got=f"a smaller one, without {len(odd)} of its tensors",
            remedy="Name the network that the file holds (backbone=...).",
        )
