"""A model in the format of transformers: a folder, or a repository of the hub, with `config.json`, `model.safetensors` and the processor's
file, which gives the size and the normalization of the frames.

No code of the folder is executed, and no pickle is read.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from vclr_pl.backbone.hub_cache import fetched_folder, first_line
from vclr_pl.backbone.transformers_network import (
    FAMILIES,
    Family,
    ProcessorView,
    TransformersNetwork,
    family_of,
    quiet,
    transformers_library,
)
from vclr_pl.types import InputError, Normalization

PROCESSORS = ("video_preprocessor_config.json", "preprocessor_config.json", "processor_config.json")
FILES = ("config.json", *PROCESSORS, "model.safetensors", "model.safetensors.index.json", "model-*-of-*.safetensors")
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")
SQUASHED_FROM = 384  # ConvNextImageProcessor crops below this size, by crop_pct


def pretrained_network(name: str) -> tuple[TransformersNetwork, ProcessorView]:
    """The network of a folder or of a repository of the hub, with its weights.

    Raises:
        InputError: transformers is not installed, there is no such model, or one that needs foreign code or a pickle.
    """
    library = transformers_library()
    folder = Path(name).expanduser()
    if not folder.is_dir():
        folder = fetched_folder(name, files=FILES)
    config = _config_of(folder, name=name)
    _refuse_other_formats(config, name=name)
    family = family_of(str(config.get("model_type", "")), name=name)
    _require_safetensors(folder, name=name)
    with quiet(library):
        try:
            processor = _processor(library, folder)
            model, report = getattr(library, family.network).from_pretrained(
                str(folder),
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=True,
                dtype=torch.float32,
                output_loading_info=True,
                **(family.without or {}),
            )
        except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
            raise InputError(
                expected=f"a model in the format of transformers in {name}",
                got=first_line(error),
                hint="Check that it loads in transformers.",
            ) from error
    missing = sorted(report["missing_keys"])
    if missing:
        raise InputError(
            expected=f"all tensors of {family.network} in {name}",
            got=f"{len(missing)} missing, the first {missing[0]}",
            hint="Check that it loads in transformers.",
        )
    view = view_of(processor, name=name)
    _require_own_size(model.config, family, view, name=name)
    return TransformersNetwork(model=model, view=view), view


def view_of(processor: Mapping[str, Any], *, name: str) -> ProcessorView:
    """Size, crop and normalization of frames, from a processor's settings.

    A processor that stretches frames to a square is taken as the center square of the same size.

    Raises:
        InputError: the size is not a square.
    """
    size, crop = _sides(processor.get("size")), _sides(processor.get("crop_size"))
    short = size.get("shortest_edge") or size.get("height")
    fraction = processor.get("crop_pct")
    if processor.get("do_center_crop") and crop:
        height, width = crop.get("height") or crop.get("shortest_edge"), crop.get("width") or crop.get("shortest_edge")
    elif fraction and short and short < SQUASHED_FROM:
        height, width, short = short, short, int(short / fraction)
    else:
        height, width = short, size.get("width", short)
    if height is None or height != width:
        raise InputError(
            expected=f"a processor of {name} with square frames", got=f"{height} x {width} pixels", hint="Choose a model for square frames."
        )
    rescale = float(processor.get("rescale_factor") or 1 / 255) if processor.get("do_rescale", True) else 1.0
    shift = 1.0 if processor.get("offset") else 0.0
    normalized = processor.get("do_normalize", True)
    mean, std = (processor["image_mean"], processor["image_std"]) if normalized else ((0.0,) * 3, (1.0,) * 3)
    white = 255 * rescale  # the value of a white pixel before the normalization; ours is 1
    normalization = Normalization(mean=tuple((one + shift) / white for one in mean), std=tuple(one / white for one in std))
    return ProcessorView(
        crop_pixels=height, short_side_pixels=short if processor.get("do_resize", True) else None, normalization=normalization
    )


def _sides(size: Any) -> dict[str, int]:
    """A number, or the dictionary of a processor."""
    return {"shortest_edge": size} if isinstance(size, int) else {name: side for name, side in dict(size or {}).items() if side}


def _config_of(folder: Path, *, name: str) -> dict[str, Any]:
    try:
        content = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError) as error:
        raise InputError(
            expected="a model of transformers, with config.json",
            got=f"{name} without it",
            hint="For an encoder of this package: encoder=FOLDER, or encoder=hf://owner/name.",
        ) from error
    return content if isinstance(content, dict) else {}


def _refuse_other_formats(settings: Mapping[str, Any], *, name: str) -> None:
    """Raises InputError for a model that needs its own code, an encoder of this package, and a model of timm."""
    if settings.get("model_type") in FAMILIES:
        return
    described = settings.get("architecture")
    expected = "a model of transformers"
    if "auto_map" in settings:
        expected, found, hint = "a model whose code is in transformers", "needs trust_remote_code", "Foreign code is not run."
    elif isinstance(described, Mapping):
        found, hint = "is an encoder of vclr_pl", f"Write encoder=hf://{name}, or encoder=FOLDER."
    elif isinstance(described, str):
        found, hint = "is a model of timm", f"Write encoder=timm:{described}."
    else:
        return
    raise InputError(expected=expected, got=f"{name}, which {found}", hint=hint)


def _require_safetensors(folder: Path, *, name: str) -> None:
    if any((folder / file).is_file() for file in FILES[4:6]):
        return
    pickled = next((path.name for pattern in PICKLES for path in sorted(folder.glob(pattern))), "no model.safetensors")
    raise InputError(
        expected="weights as safetensors (model.safetensors)",
        got=f"{name} with {pickled}",
        hint="A pickle can execute code and is not read. Choose a model with safetensors, or convert it with transformers.",
    )


def _processor(library: Any, folder: Path) -> dict[str, Any]:
    """Settings of the processor: of videos where there is one, else of images."""
    if not any((folder / file).is_file() for file in PROCESSORS):
        raise OSError("no preprocessor_config.json")
    kinds = [library.AutoVideoProcessor] if (folder / PROCESSORS[0]).is_file() else [library.AutoImageProcessor, library.AutoVideoProcessor]
    for kind in kinds[:-1]:
        with contextlib.suppress(OSError, ValueError):
            return dict(kind.from_pretrained(str(folder), trust_remote_code=False, local_files_only=True).to_dict())
    return dict(kinds[-1].from_pretrained(str(folder), trust_remote_code=False, local_files_only=True).to_dict())


def _require_own_size(settings: Any, family: Family, view: ProcessorView, *, name: str) -> None:
    """Raises InputError if a network of one size has a processor of another."""
    own = getattr(settings, "image_size", None) or getattr(settings, "crop_size", None)
    if not family.takes_any_size and own is not None and own != view.crop_pixels:
        raise InputError(
            expected=f"a processor for {own} pixels, the size of {name}",
            got=f"{view.crop_pixels} pixels",
            hint="Set the size in its preprocessor_config.json.",
        )
