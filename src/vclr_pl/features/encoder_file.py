"""Read files with encoders, and build their networks."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from vclr_pl.backbone.resnet import SmallResNet, clip_network, resnet
from vclr_pl.backbone.torchvision_network import torchvision_network
from vclr_pl.backbone.transformers_network import transformers_network
from vclr_pl.features.run_folder import CHECKPOINT, EXPORT, RECOGNIZER, described_in, file_of_run
from vclr_pl.types import InputError
from vclr_pl.weights.key_map import CLASS_HEAD, read_safely
from vclr_pl.weights.mmaction import THEIR_BACKBONE, THEIR_HEAD, is_mmaction, is_shifted, torchvision_name
from vclr_pl.weights.pretraining import PREFIXES as RELEASE_HEADS


def frozen_timm_network(**arguments: Any) -> nn.Module:
    """timm's network of a file. What only training uses is off, unless the file says otherwise."""
    from vclr_pl.backbone.timm_network import timm_network  # half a second, for these networks only

    network: nn.Module = timm_network(**{"drop_path_rate": 0.0, "gradient_checkpointing": False, **arguments})
    return network


# Networks by their names in files. Names stay when code moves, so that files of older versions load.
NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "resnet": resnet,
    "clip_network": clip_network,
    "small_resnet": SmallResNet,
    "timm": frozen_timm_network,
    "torchvision": torchvision_network,
    "transformers": transformers_network,
}
# Python paths in files of version 0.1.0 and in the config.yaml of every run, of earlier versions too
NAME_OF_PATH = {
    "vclr_pl.backbone.resnet.resnet": "resnet",
    "vclr_pl.backbone.resnet.clip_network": "clip_network",
    "vclr_pl.backbone.resnet.SmallResNet": "small_resnet",
    "vclr_pl.backbone.resnet2d.resnet": "resnet",
    "vclr_pl.backbone.torchvision.resnet": "resnet",
    "vclr_pl.backbone.clip_network.clip_network": "clip_network",
    "vclr_pl.backbone.torchvision.clip_network": "clip_network",
    "vclr_pl.backbone.small_resnet.SmallResNet": "small_resnet",
    "vclr_pl.backbone.timm_network.timm_network": "timm",
    "vclr_pl.backbone.torchvision_network.torchvision_network": "torchvision",
}
# by the blocks in layer1 to layer4, and true if a block has three convolutions
RESNETS: dict[tuple[tuple[int, ...], bool], str] = {
    ((2, 2, 2, 2), False): "resnet18",
    ((3, 4, 6, 3), False): "resnet34",
    ((3, 4, 6, 3), True): "resnet50",
    ((3, 4, 23, 3), True): "resnet101",
    ((3, 8, 36, 3), True): "resnet152",
}


def build_backbone(architecture: Mapping[str, Any]) -> nn.Module:
    """Build the network described in a file: `network`, its name in `NETWORKS`, or `_target_` in older files, and its arguments.

    Only networks of this package are built: files may be untrusted, and calling another name could execute any code.

    Raises:
        InputError: the description has an unknown network or invalid arguments.
    """
    target = str(architecture.get("_target_", ""))
    name = str(architecture.get("network") or NAME_OF_PATH.get(target, ""))
    if name not in NETWORKS:
        raise InputError(
            expected=f"an encoder whose network is one of vclr_pl.backbone ({', '.join(NETWORKS)})",
            got=name or target or "a description without a name",
            hint="Set the network: backbone=... on the command line, load_encoder(..., backbone=module) in Python.",
        )
    arguments = {key: value for key, value in architecture.items() if key != "network" and not key.startswith("_")}
    try:
        return NETWORKS[name](**arguments)
    except TypeError as error:
        raise InputError(
            expected=f"valid arguments of the network {name}", got=str(error), hint="The file may come from a newer version of vclr_pl."
        ) from error


def recognize_architecture(tensors: Mapping[str, Tensor], *, path: str) -> dict[str, Any]:
    """Detect a torchvision ResNet from its parameters' names.

    Raises:
        InputError: the tensors are not those of such a network.
    """
    blocks = tuple(len({name.split(".")[1] for name in tensors if name.startswith(f"layer{stage}.")}) for stage in (1, 2, 3, 4))
    stem = tensors.get("conv1.weight")
    name = RESNETS.get((blocks, "layer1.0.conv3.weight" in tensors)) if stem is not None and stem.dim() == 4 else None
    if name is None:
        raise InputError(
            expected="a file that describes its network, or one of torchvision's ResNets",
            got=f"{path} with {', '.join(list(tensors)[:3]) or 'no tensors'}, ...",
            hint="Use the run folder instead of the checkpoint, or set the network: backbone=...",
        )
    return {"network": "resnet", "name": name}


SHIFTED = ", trained with a temporal shift, which is not applied to single frames"
WRAPPER = "module."
VIEW = ("frames", "crop_pixels", "short_side_pixels", "mean", "std", "pooling", "pooling_segments")
HINTS = "Use a run folder, a checkpoint, backbone.safetensors, a published .pth, or `random`."


@dataclass(frozen=True)
class EncoderFile:
    """The backbone of a file, with the metadata of the file."""

    origin: str  # description of the source
    backbone: dict[str, Tensor]  # by the backbone's own names
    unused: tuple[str, ...] = ()  # tensors in the file that belong to no backbone
    architecture: Mapping[str, Any] | None = None  # name of the network, or `_target_`, and arguments; None if the file has none
    view: Mapping[str, Any] = field(default_factory=dict)  # keys of VIEW, as far as they are known
    clip: Mapping[str, Any] = field(default_factory=dict)  # frames_per_clip, frame_stride, as far as they are known
    classifier: Mapping[str, Tensor] = field(default_factory=dict)  # fc.weight, fc.bias of a linear classifier in the file


def read_encoder_file(path: str, *, momentum: bool) -> EncoderFile:
    """Read `path` without executing code in it.

    Args:
        path: a run folder, or a file in one of the supported formats.
        momentum: the momentum encoder in place of the query encoder.

    Raises:
        InputError: `path` does not exist, has an unknown format, or has no momentum encoder.
    """
    file = _file_of(Path(path).expanduser(), momentum=momentum)
    if file.suffix == ".safetensors":
        exported = _read_export(file)
        if momentum:
            raise _without_momentum(exported.origin, file)
        return exported
    content = read_safely(str(file), allowed=[Namespace])
    state = _state(content)
    if any(name.startswith("recognizer.backbone.") for name in state):
        hint = f"Use the run folder after the end of training, or {RECOGNIZER}."
        raise InputError(expected="an encoder", got=f"{file}, a checkpoint of fine-tuning", hint=hint)
    if any(name.startswith("encoder.backbone.") for name in state):
        return _of_own_checkpoint(state, file, momentum=momentum)
    return _of_published_file(state, file, momentum=momentum)


def _file_of(path: Path, *, momentum: bool) -> Path:
    if path.is_dir():
        file = file_of_run(path, momentum=momentum)
        if file is None:
            raise InputError(expected=f"a run folder with {CHECKPOINT} or {EXPORT}", got=str(path), hint=HINTS)
        return file
    if not path.is_file():
        raise InputError(expected="an encoder", got=f"encoder={path}, which does not exist", hint=HINTS)
    return path


def _state(content: Any) -> dict[str, Tensor]:
    for key in ("state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    return {name: value for name, value in content.items() if isinstance(value, Tensor)} if isinstance(content, dict) else {}


def _of_own_checkpoint(state: Mapping[str, Tensor], file: Path, *, momentum: bool) -> EncoderFile:
    prefix = "momentum_encoder.encoder.backbone." if momentum else "encoder.backbone."
    who = "momentum encoder" if momentum else "query encoder"
    described = _run_config(file)
    return EncoderFile(
        origin=f"{who} of {file}",
        backbone=_below(state, prefix),
        unused=tuple(name for name in state if not name.startswith(prefix)),
        architecture=described.get("backbone"),
        view=_view_of_run(described),
        clip={name: value for name, value in described.get("sampling", {}).items() if name in ("frames_per_clip", "frame_stride")},
    )


def _of_published_file(state: Mapping[str, Tensor], file: Path, *, momentum: bool) -> EncoderFile:
    if any(name.startswith("module.encoder_q.") for name in state):
        prefix = "module.encoder_k." if momentum else "module.encoder_q."
        bare = _below(state, prefix)
        others = tuple(name for name in state if not name.startswith(prefix))
        return _without_heads(bare, others, origin=f"{'momentum' if momentum else 'query'} encoder of the MoCo v2 checkpoint {file}")
    if momentum:
        raise _without_momentum("one encoder", file)
    if is_mmaction(state):
        return _of_mmaction(state, file)
    bare = {name.removeprefix(WRAPPER): tensor for name, tensor in state.items()}
    if "conv1.weight" not in bare and "stem.0.weight" not in bare:
        raise InputError(
            expected="an encoder", got=f"{file} with {', '.join(list(state)[:3]) or 'no tensors'}", hint="Unknown format. " + HINTS
        )
    published = any(name.startswith("fc_inter.") for name in bare)
    return _without_heads(bare, (), origin=f"{'published VCLR checkpoint' if published else 'backbone'} {file}")


def _of_mmaction(state: Mapping[str, Tensor], file: Path) -> EncoderFile:
    head = {CLASS_HEAD + name: tensor for name, tensor in _below(state, THEIR_HEAD).items()}
    return EncoderFile(
        origin=f"mmaction2 recognizer {file}{SHIFTED if is_shifted(state) else ''}",
        backbone={torchvision_name(name): tensor for name, tensor in _below(state, THEIR_BACKBONE).items()},
        unused=tuple(name for name in state if not name.startswith(THEIR_BACKBONE)),
        classifier=head,
    )


def _without_heads(bare: Mapping[str, Tensor], others: tuple[str, ...], *, origin: str) -> EncoderFile:
    heads = ("fc.", *(theirs for theirs, _ in RELEASE_HEADS if theirs))
    return EncoderFile(
        origin=origin,
        backbone={name: tensor for name, tensor in bare.items() if not name.startswith(heads)},
        unused=(*(name for name in bare if name.startswith(heads)), *others),
        classifier=_classifier(bare),
    )


def _classifier(bare: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: bare[name] for name in (f"{CLASS_HEAD}weight", f"{CLASS_HEAD}bias") if name in bare}


def _below(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}


def _run_config(checkpoint: Path) -> dict[str, Any]:
    """The config.yaml of the checkpoint's run; empty if the checkpoint is not in a run folder."""
    for folder in (checkpoint.parent, checkpoint.parent.parent):
        if (folder / "config.yaml").is_file():
            content = yaml.safe_load((folder / "config.yaml").read_text())
            return content if isinstance(content, dict) else {}
    return {}


def _view_of_run(described: Mapping[str, Any]) -> dict[str, Any]:
    known = described.get("evaluation_view", {})
    return {name: known[name] for name in VIEW if name in known}


def _read_export(file: Path) -> EncoderFile:
    try:
        with safe_open(str(file), framework="pt") as opened:
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 (no mapping)
            described = described_in(opened.metadata() or {})
    except (SafetensorError, ValueError) as error:
        raise InputError(expected=f"safetensors in {file}", got=str(error), hint=HINTS) from error
    if "class_names" in described:
        return _of_recognizer(tensors, described, file)
    size = {"crop_pixels": described["size_pixels"]} if "size_pixels" in described else {}  # name in older files
    return EncoderFile(
        origin=f"exported backbone {file}",
        backbone={name: tensor for name, tensor in tensors.items() if not name.startswith(CLASS_HEAD)},
        unused=tuple(name for name in tensors if name.startswith(CLASS_HEAD)),
        architecture=described.get("architecture"),
        view=size | {name: described[name] for name in VIEW if described.get(name) is not None},
        clip={name: described[name] for name in ("frames_per_clip", "frame_stride") if name in described},
        classifier=_classifier(tensors),
    )


def _of_recognizer(tensors: Mapping[str, Tensor], described: Mapping[str, Any], file: Path) -> EncoderFile:
    return EncoderFile(
        origin=f"backbone of the recognizer {file}{SHIFTED if described.get('shift') else ''}",
        backbone=_below(tensors, "backbone."),
        unused=tuple(name for name in tensors if not name.startswith("backbone.")),
        architecture=described.get("architecture"),
        view={name: described[name] for name in VIEW if name in described},
        clip={name: described[name] for name in ("frames_per_clip", "frame_stride") if name in described},
        classifier={CLASS_HEAD + name: tensor for name, tensor in _below(tensors, "head.").items()},
    )


def _without_momentum(what: str, file: Path) -> InputError:
    return InputError(expected="a file with a momentum encoder", got=f"{what} in {file}", hint="Remove momentum=true.")
