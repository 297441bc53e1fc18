"""Networks of the library transformers, for frames and for clips.

Legend: N frames or clips, T frames of a clip, H W pixels, P tokens, F features.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from vclr_pl.backbone.token_layer import token_layer
from vclr_pl.types import InputError, Normalization

POOLER, FIRST, MEAN = "pooler_output", "first token", "mean of the tokens"


@dataclass(frozen=True)
class Family:
    """One `model_type` of transformers.

    `pooling` is what the published use reads, see docs/weights.md. `frame_stride`, for networks of clips, is the published one.
    """

    network: str  # class of transformers
    pooling: str
    takes_any_size: bool = True
    frame_stride: int | None = None
    takes_any_length: bool = True  # of clips
    without: Mapping[str, Any] | None = None  # arguments that leave out what the pooling does not read


NO_POOLER = {"add_pooling_layer": False}
CLIP, SIGLIP = (Family(network=name, pooling=POOLER, takes_any_size=False) for name in ("CLIPVisionModel", "SiglipVisionModel"))
FAMILIES: dict[str, Family] = {
    "videomae": Family(network="VideoMAEModel", pooling=MEAN, takes_any_size=False, frame_stride=4, takes_any_length=False),
    "vjepa2": Family(network="VJEPA2Model", pooling=MEAN, takes_any_size=False, frame_stride=4),
    "timesformer": Family(network="TimesformerModel", pooling=FIRST, frame_stride=32),
    "vivit": Family(network="VivitModel", pooling=FIRST, takes_any_size=False, frame_stride=2, takes_any_length=False, without=NO_POOLER),
    "dinov2": Family(network="Dinov2Model", pooling=POOLER),
    "dinov2_with_registers": Family(network="Dinov2WithRegistersModel", pooling=POOLER),
    "dinov3_vit": Family(network="DINOv3ViTModel", pooling=POOLER),
    "dinov3_convnext": Family(network="DINOv3ConvNextModel", pooling=POOLER),
    "clip": CLIP,
    "clip_vision_model": CLIP,
    "siglip": SIGLIP,
    "siglip_vision_model": SIGLIP,
    "vit": Family(network="ViTModel", pooling=FIRST, takes_any_size=False, without=NO_POOLER),
    "deit": Family(network="DeiTModel", pooling=FIRST, takes_any_size=False, without=NO_POOLER),
    "ijepa": Family(network="IJepaModel", pooling=MEAN, takes_any_size=False, without=NO_POOLER),
    "swin": Family(network="SwinModel", pooling=POOLER),
    "convnext": Family(network="ConvNextModel", pooling=POOLER),
    "convnextv2": Family(network="ConvNextV2Model", pooling=POOLER),
    "resnet": Family(network="ResNetModel", pooling=POOLER),
}


OTHER_ORDER = ("timesformer", "swin")  # frames after positions, channels last or merged patches: no activation maps


@dataclass(frozen=True)
class ProcessorView:
    """Size and normalization of the frames, from a processor."""

    crop_pixels: int
    short_side_pixels: int | None  # None: the processor does not resize
    normalization: Normalization


class TransformersNetwork(nn.Module):
    """Frames `[N, 3, H, W]` or clips `[N, 3, T, H, W]` to features `[N, F]`.

    Args:
        model: of transformers.
        view: of its processor.
    """

    def __init__(self, *, model: Any, view: ProcessorView) -> None:
        super().__init__()
        config = model.config
        family = FAMILIES[config.model_type]
        self.takes_clips, self.pooling = family.frame_stride is not None, family.pooling
        if config.model_type == "vjepa2":
            model.predictor = nn.Identity()  # only pretraining reads it
        self.model = model
        self.feature_dim = int(getattr(config, "hidden_size", None) or config.hidden_sizes[-1])
        self.input_normalization, self.input_pixels = view.normalization, view.crop_pixels
        self.takes_any_size = family.takes_any_size
        self.takes_any_length = family.takes_any_length
        stages = [name for name, layer in model.named_modules() if name.endswith("stages") and isinstance(layer, nn.ModuleList)]
        by_tokens = "" if config.model_type in OTHER_ORDER else token_layer(self)
        self.last_stage = f"model.{stages[0]}.{len(model.get_submodule(stages[0])) - 1}" if stages else by_tokens
        self.usual_clip: dict[str, int] = {}
        if family.frame_stride is not None:
            self.usual_clip = {"frames_per_clip": _frames_of(config), "frame_stride": family.frame_stride}
        self.exported_as = {
            "network": "transformers",
            "settings": _described(config),
            "crop_pixels": view.crop_pixels,
            "mean": list(view.normalization.mean),
            "std": list(view.normalization.std),
        }

    def forward(self, frames: Tensor) -> Tensor:
        """See the class."""
        if self.model.config.model_type == "vjepa2":
            output = self.model(pixel_values_videos=frames.transpose(1, 2), skip_predictor=True)
        else:
            output = self.model(pixel_values=frames.transpose(1, 2) if self.takes_clips else frames)
        if self.pooling == POOLER:
            pooled: Tensor = output.pooler_output
            return pooled.flatten(1)
        tokens_NPF: Tensor = output.last_hidden_state
        return tokens_NPF[:, 0] if self.pooling == FIRST else tokens_NPF.mean(dim=1)


def transformers_network(*, settings: Mapping[str, Any], crop_pixels: int, mean: list[float], std: list[float]) -> TransformersNetwork:
    """A network with random weights, from the description in a file of this package.

    Raises:
        InputError: transformers is not installed, or the description has an unknown family.
    """
    library = transformers_library()
    described = dict(settings)
    kind = str(described.pop("model_type", ""))
    family = family_of(kind, name="the file")
    with quiet(library):
        settings = library.AutoConfig.for_model(kind, **described)
        model = getattr(library, family.network)(settings, **(family.without or {}))
    view = ProcessorView(crop_pixels=crop_pixels, short_side_pixels=None, normalization=Normalization(mean=tuple(mean), std=tuple(std)))
    return TransformersNetwork(model=model, view=view)


def transformers_library() -> Any:
    """transformers, which is an extra and takes seconds to import.

    Raises:
        InputError: it is not installed.
    """
    try:
        return importlib.import_module("transformers")
    except ImportError as error:
        raise InputError(
            expected="the package transformers, for encoder=hf:",
            got="a machine without it",
            hint="Install it: pip install 'vclr-pl[transformers]'.",
        ) from error


def family_of(kind: str, *, name: str) -> Family:
    """The family of a `model_type`.

    Raises:
        InputError: there is none.
    """
    if kind not in FAMILIES:
        raise InputError(
            expected=f"a model of a family in {', '.join(FAMILIES)}",
            got=f"{kind or 'no model_type'} in {name}",
            hint="Choose another model.",
        )
    return FAMILIES[kind]


def _frames_of(model_settings: Any) -> int:
    names = ("num_frames", "frames_per_clip")
    return int(next(getattr(model_settings, name) for name in names if hasattr(model_settings, name)))


def _described(model_settings: Any) -> dict[str, Any]:
    """The configuration as JSON, without the place that it came from."""
    described: dict[str, Any] = json.loads(json.dumps(model_settings.to_diff_dict(), default=str))
    return {
        name: value
        for name, value in described.items()
        if not name.startswith("_") and name not in ("architectures", "id2label", "label2id")
    }


@contextlib.contextmanager
def quiet(library: Any) -> Iterator[None]:
    """No progress bars, load reports and advice of transformers in the log."""
    theirs = library.utils.logging
    level, shown = theirs.get_verbosity(), theirs.is_progress_bar_enabled()
    theirs.set_verbosity(theirs.CRITICAL)
    theirs.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        theirs.set_verbosity(level)
        if shown:
            theirs.enable_progress_bar()
