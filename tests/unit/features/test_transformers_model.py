"""The library's own classes, with tiny random weights that it saved itself, are the reference."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vclr_pl.features.activation_map import FeatureNorm, map_video
from vclr_pl.features.encoder import load_encoder
from vclr_pl.features.transformers_model import view_of
from vclr_pl.types import InputError

transformers = pytest.importorskip("transformers", reason="transformers is not installed: the extra `transformers`")

SIDE = {"image_size": 32, "patch_size": 8}
SMALL = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
CROP = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
SQUARE = {"size": {"height": 32, "width": 32}}
FIRST: Callable[[Any], torch.Tensor] = lambda output: output.last_hidden_state[:, 0]  # noqa: E731
MEAN: Callable[[Any], torch.Tensor] = lambda output: output.last_hidden_state.mean(dim=1)  # noqa: E731
POOLER: Callable[[Any], torch.Tensor] = lambda output: output.pooler_output.flatten(1)  # noqa: E731
CLIP_TEXT = {**SMALL, "vocab_size": 99, "bos_token_id": 0, "eos_token_id": 1}

# name: class, configuration, processor's class, its settings, pooling, frames of a clip
MODELS: dict[str, tuple[str, dict[str, Any], str, dict[str, Any], Callable[[Any], torch.Tensor], int | None]] = {
    "videomae": ("VideoMAEModel", {**SMALL, **SIDE, "num_frames": 4}, "VideoMAEImageProcessor", CROP, MEAN, 4),
    "vjepa2": (
        "VJEPA2Model",
        {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "crop_size": 32, "patch_size": 8, "frames_per_clip": 4}
        | {"pred_hidden_size": 24, "pred_num_attention_heads": 2, "pred_num_hidden_layers": 1, "pred_num_mask_tokens": 1},
        "VJEPA2VideoProcessor",
        {"crop_size": {"height": 32, "width": 32}},
        MEAN,
        4,
    ),
    "timesformer": ("TimesformerModel", {**SMALL, **SIDE, "num_frames": 4}, "VideoMAEImageProcessor", CROP, FIRST, 4),
    "vivit": ("VivitModel", {**SMALL, "image_size": 32, "tubelet_size": [2, 8, 8], "num_frames": 4}, "VivitImageProcessor", CROP, FIRST, 4),
    "dinov2": ("Dinov2Model", {**SMALL, **SIDE}, "BitImageProcessor", CROP, POOLER, None),
    "dinov3_vit": ("DINOv3ViTModel", {**SMALL, **SIDE}, "DINOv3ViTImageProcessor", SQUARE, POOLER, None),
    "clip_vision": ("CLIPVisionModel", {**SMALL, **SIDE}, "CLIPImageProcessor", CROP, POOLER, None),
    "siglip_vision": ("SiglipVisionModel", {**SMALL, **SIDE}, "SiglipImageProcessor", SQUARE, POOLER, None),
    "vit": ("ViTModel", {**SMALL, **SIDE}, "ViTImageProcessor", SQUARE, FIRST, None),
    "convnext": (
        "ConvNextModel",
        {"hidden_sizes": [8, 8, 16, 24], "depths": [1, 1, 1, 1]},
        "ConvNextImageProcessor",
        {"size": {"shortest_edge": 56}, "crop_pct": 0.875},
        POOLER,
        None,
    ),
    "dinov3_convnext": (
        "DINOv3ConvNextModel",
        {"hidden_sizes": [8, 8, 16, 24], "depths": [1, 1, 1, 1]},
        "DINOv3ViTImageProcessor",
        {"size": {"height": 64, "width": 64}},
        POOLER,
        None,
    ),
    "resnet": (
        "ResNetModel",
        {"embedding_size": 8, "hidden_sizes": [8, 8, 16, 24], "depths": [1, 1, 1, 1], "layer_type": "basic"},
        "ConvNextImageProcessor",
        {"size": {"shortest_edge": 56}, "crop_pct": 0.875},
        POOLER,
        None,
    ),
}


def saved(name: str, folder: Path) -> Any:
    """The random model, saved with its processor by the library."""
    kind, settings, processor_kind, processor_settings, _, _ = MODELS[name]
    torch.manual_seed(0)
    network_class = getattr(transformers, kind)
    model = network_class(network_class.config_class(**settings)).eval()
    with torch.no_grad():  # the library starts some tensors at zero, which would hide what reads them
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    transformers.utils.logging.disable_progress_bar()
    model.save_pretrained(folder)
    processor = getattr(transformers, processor_kind, None) or getattr(transformers, f"{processor_kind}Fast")  # before version 5
    processor(**processor_settings).save_pretrained(folder)
    return model


def pixels_of_the_processor(folder: Path, frames: np.ndarray) -> torch.Tensor:
    """`[T, C, H, W]`: what the library's own processor makes of frames `[T, H, W, C]`."""
    if (folder / "video_preprocessor_config.json").is_file():
        processor = transformers.AutoVideoProcessor.from_pretrained(folder)
        ready: torch.Tensor = processor(list(frames), return_tensors="pt")["pixel_values_videos"][0]
        return ready
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    values: torch.Tensor = processor(list(frames), return_tensors="pt")["pixel_values"]
    return values[0] if values.dim() == 5 else values


@torch.no_grad()
@pytest.mark.parametrize("name", MODELS)
def test_features_are_the_librarys_own(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """The view and the forward of the library for frames whose short side is the processor's, so that nothing is resized."""
    model, pooled, length = saved(name, tmp_path), MODELS[name][4], MODELS[name][5]
    caplog.clear(), capfd.readouterr()
    encoder = load_encoder(f"hf:{tmp_path}")
    assert (caplog.text, *capfd.readouterr()) == ("", "", "")
    side = encoder.view.short_side_pixels or encoder.view.crop_pixels
    wide = side if "height" in MODELS[name][3].get("size", {}) else side + 8
    frames = np.random.default_rng(0).integers(0, 256, (length or 3, side, wide, 3), dtype=np.uint8)
    theirs = pixels_of_the_processor(tmp_path, frames)
    ours = encoder.transform(torch.from_numpy(frames).permute(0, 3, 1, 2))
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)
    assert encoder.frames_per_clip == (length or 1)
    if name == "vjepa2":
        expected = pooled(model(pixel_values_videos=theirs[None], skip_predictor=True))
    else:
        expected = pooled(model(pixel_values=theirs if length is None else theirs[None]))
    features = encoder.pooled(ours if length is None else ours.transpose(0, 1)[None])
    torch.testing.assert_close(features, expected, atol=1e-5, rtol=0)
    assert features.shape[1] == encoder.feature_dim
    assert features.std() > 0.01


@torch.no_grad()
@pytest.mark.parametrize(
    ("head", "base"), [("VideoMAEForVideoClassification", "videomae"), ("ViTForImageClassification", "vit"), ("CLIPModel", "clip_vision")]
)
def test_a_model_with_a_head_gives_its_trunk(head: str, base: str, tmp_path: Path) -> None:
    kind = getattr(transformers, head)
    settings = MODELS[base][1]
    config = kind.config_class(text_config=CLIP_TEXT, vision_config=settings) if head == "CLIPModel" else kind.config_class(**settings)
    model = kind(config).eval()
    model.save_pretrained(tmp_path)
    getattr(transformers, MODELS[base][2])(**MODELS[base][3]).save_pretrained(tmp_path)
    encoder = load_encoder(f"hf:{tmp_path}")
    trunk = {"CLIPModel": "vision_model", "ViTForImageClassification": "vit", "VideoMAEForVideoClassification": "videomae"}[head]
    own, theirs = encoder.backbone.state_dict(), getattr(model, trunk).state_dict()
    shared = [name for name in own if name.removeprefix("model.") in theirs]
    assert len(shared) == len(own) or head == "CLIPModel"
    assert shared or head == "CLIPModel"
    for name in shared:
        assert torch.equal(own[name], theirs[name.removeprefix("model.")])


def test_half_precision_weights_are_computed_in_float32(tmp_path: Path) -> None:
    saved("dinov2", tmp_path).half().save_pretrained(tmp_path)
    encoder = load_encoder(f"hf:{tmp_path}")
    assert {parameter.dtype for parameter in encoder.parameters()} == {torch.float32}


def test_vivits_offset_is_part_of_the_normalization() -> None:
    """p / 127.5 - 1, then (x - 0.5) / 0.5: black is -3 and white 1."""
    settings = {"size": {"shortest_edge": 256}, "do_center_crop": True, "crop_size": {"height": 224, "width": 224}}
    settings |= {"rescale_factor": 1 / 127.5, "offset": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    view = view_of(settings, name="vivit")
    assert (view.crop_pixels, view.short_side_pixels) == (224, 256)
    (mean, *_), (std, *_) = view.normalization.mean, view.normalization.std
    assert ((0 - mean) / std, (1 - mean) / std) == pytest.approx((-3, 1))


def test_a_processor_of_oblong_frames_is_refused() -> None:
    with pytest.raises(InputError, match="192 x 384"):
        view_of({"size": {"height": 192, "width": 384}}, name="odd")


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    saved("dinov2", tmp_path)
    return tmp_path


def without_safetensors(folder: Path) -> None:
    shutil.move(folder / "model.safetensors", folder / "pytorch_model.bin")


def foreign_code(folder: Path) -> None:
    change(folder, model_type="own_model", auto_map={"AutoModel": "modeling.OwnModel"})
    (folder / "modeling.py").write_text("raise SystemExit('run')")


def change(folder: Path, **values: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | values))


BROKEN: dict[str, tuple[Callable[[Path], Any], str]] = {
    "pickle": (without_safetensors, r"with pytorch_model\.bin\. A pickle can execute code"),
    "foreign code": (foreign_code, "which needs trust_remote_code"),
    "unknown family": (lambda folder: change(folder, model_type="bert"), "got bert in"),
    "of timm": (lambda folder: (folder / "config.json").write_text('{"architecture": "resnet18"}'), "Write encoder=timm:resnet18"),
    "of ours": (lambda folder: (folder / "config.json").write_text('{"architecture": {"network": "resnet"}}'), "an encoder of vclr_pl"),
    "no config": (lambda folder: (folder / "config.json").unlink(), r"with config\.json"),
    "no processor": (lambda folder: (folder / "preprocessor_config.json").unlink(), r"no preprocessor_config\.json"),
    "cut off": (lambda folder: (folder / "model.safetensors").write_bytes(b"\x08" * 100), "a model in the format of transformers"),
    "other size": (lambda folder: change(folder, hidden_size=48), "a model in the format of transformers|missing"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_wrong_is_said_in_one_line(name: str, model_folder: Path) -> None:
    BROKEN[name][0](model_folder)
    with pytest.raises(InputError, match=BROKEN[name][1]) as raised:
        load_encoder(f"hf:{model_folder}")
    assert "\n" not in str(raised.value)


def test_a_size_or_a_length_that_a_network_cannot_take_is_refused(tmp_path: Path) -> None:
    saved("videomae", tmp_path)
    with pytest.raises(InputError, match=r"Set protocol\.frames_per_clip=4"):
        load_encoder(f"hf:{tmp_path}", view={"frames_per_clip": 8})
    with pytest.raises(InputError, match=r"Set protocol\.crop_pixels=32"):
        load_encoder(f"hf:{tmp_path}", view={"crop_pixels": 64})


@pytest.mark.parametrize("name", ["convnext", "dinov3_convnext", "resnet"])
def test_maps_of_convolutional_networks_come_from_the_last_stage(name: str, tmp_path: Path) -> None:
    pytest.importorskip("pytorch_grad_cam")
    saved(name, tmp_path)
    encoder = load_encoder(f"hf:{tmp_path}")
    side = encoder.view.crop_pixels
    frames = torch.randint(0, 256, (2, 3, side, side), dtype=torch.uint8)
    assert map_video(encoder, frames, target=FeatureNorm(), layer=None).maps.shape == (2, side, side)


@pytest.mark.parametrize("name", ["dinov2", "siglip_vision", "videomae", "vjepa2", "vivit"])
def test_maps_of_tokens_are_grad_cam_by_hand_at_the_first_norm_of_the_last_block(name: str, tmp_path: Path) -> None:
    """Selvaraju et al. 2017, equations 1 and 2, by one hook: the mean gradient of each channel over the grid, times the tokens."""
    pytest.importorskip("pytorch_grad_cam")
    saved(name, tmp_path)
    encoder = load_encoder(f"hf:{tmp_path}")
    side, clip = encoder.view.crop_pixels, encoder.frames_per_clip
    shape = (1, 3, clip, side, side) if clip > 1 else (1, 3, side, side)
    frames = torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    found = map_video(encoder, frames, target=FeatureNorm(), layer=None)
    kept: list[torch.Tensor] = []
    layer = encoder.backbone.get_submodule(encoder.backbone.last_stage)
    hook = layer.register_forward_hook(lambda *parts: kept.append(parts[2].requires_grad_()))
    with torch.enable_grad():
        encoder(encoder.normalize(frames)[None])[0].norm().backward()
    hook.remove()
    grids = found.positions
    count = torch.Size(grids).numel()
    tokens, gradients = (value[0, -count:] for value in (kept[0].detach(), kept[0].grad))
    expected = (tokens * gradients.mean(dim=0)).sum(dim=1).clamp(min=0).reshape(grids)
    again = torch.nn.functional.interpolate(
        expected[None, None], size=frames.shape[2:], mode="trilinear" if clip > 1 else "bilinear", align_corners=False
    )[0, 0]
    torch.testing.assert_close(found.maps.reshape(again.shape), again, rtol=1e-4, atol=1e-7)
    assert float(found.maps.max()) > 0


def test_tokens_in_another_order_have_no_map(tmp_path: Path) -> None:
    saved("timesformer", tmp_path)
    encoder = load_encoder(f"hf:{tmp_path}")
    frames = torch.zeros(1, 3, encoder.frames_per_clip, encoder.view.crop_pixels, encoder.view.crop_pixels, dtype=torch.uint8)
    with pytest.raises(InputError, match="tokens are in another order"):
        map_video(encoder, frames, target=FeatureNorm(), layer=None)
