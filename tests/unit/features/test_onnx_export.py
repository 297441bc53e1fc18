"""onnxruntime gives torch's features, for any batch, and finds in the file what to feed."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.unit.features.pretrained_file import small_backbone
from tests.unit.features.written_recognizer import SHIFT, write_recognizer
from torch import nn

from vclr_pl.backbone.resnet import clip_network
from vclr_pl.data.transform.evaluation_view import EvaluationView
from vclr_pl.features.encoder import FrozenEncoder
from vclr_pl.features.onnx_export import OnnxFile, view_shape
from vclr_pl.features.recognizer import load_recognizer
from vclr_pl.types import InputError

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

FIGURES: dict[str, Any] = {"crop_pixels": 32, "short_side_pixels": 40, "mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}


def encoder_of(backbone: nn.Module, *, frames_per_clip: int = 1) -> FrozenEncoder:
    view = EvaluationView(frames=30, **FIGURES)
    return FrozenEncoder(backbone=backbone, view=view, frames_per_clip=frames_per_clip, frame_stride=2, origin="drawn")


def features_of(path: Path, frames: torch.Tensor) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (features,) = session.run(["features"], {"frames": frames.numpy()})
    return np.asarray(features)


def test_frames_of_any_batch_and_the_figures_of_the_transform(tmp_path: Path) -> None:
    encoder = encoder_of(small_backbone())
    OnnxFile(path=str(tmp_path / "encoder.onnx")).write_encoder(encoder)
    for batch in (1, 2, 5):
        frames = torch.randn(batch, *view_shape(encoder))
        np.testing.assert_allclose(features_of(tmp_path / "encoder.onnx", frames), encoder.pooled(frames).numpy(), rtol=1e-4, atol=1e-6)
    model = onnx.load(tmp_path / "encoder.onnx")
    onnx.checker.check_model(model)
    told = {entry.key: json.loads(entry.value) for entry in model.metadata_props}
    assert told == {
        "size_pixels": 32,
        "short_side_pixels": 40,
        "mean": [0.1, 0.2, 0.3],
        "std": [0.4, 0.5, 0.6],
        "frames_per_clip": 1,
        "frame_stride": 2,
        "feature_dim": 8,
        "pooling_segments": 1,
    }
    assert [file.name for file in tmp_path.iterdir()] == ["encoder.onnx"]  # weights inside, nothing unfinished


def test_clips_of_a_3d_network(tmp_path: Path) -> None:
    torch.manual_seed(0)
    encoder = encoder_of(clip_network(name="r3d_18"), frames_per_clip=4)
    assert view_shape(encoder) == (3, 4, 32, 32)
    OnnxFile(path=str(tmp_path / "r3d.onnx")).write_encoder(encoder)
    for batch in (1, 3):
        clips = torch.randn(batch, 3, 4, 32, 32)
        np.testing.assert_allclose(features_of(tmp_path / "r3d.onnx", clips), encoder.pooled(clips).numpy(), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("shift", [None, SHIFT])
def test_a_recognizer_gives_logits_and_says_of_which_classes(shift: dict[str, int] | None, tmp_path: Path) -> None:
    """One that shifts in time takes whole videos."""
    write_recognizer(tmp_path / "run", shift=shift)
    recognizer = load_recognizer(str(tmp_path / "run"))
    path = tmp_path / "recognizer.onnx"
    OnnxFile(path=str(path)).write_encoder(recognizer)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for batch in (4, 12):
        frames = torch.randn(batch, 3, 32, 32)
        (logits,) = session.run(["logits"], {"frames": frames.numpy()})
        np.testing.assert_allclose(logits, recognizer.pooled(frames).numpy(), rtol=1e-4, atol=1e-6)
    told = {entry.key: json.loads(entry.value) for entry in onnx.load(path).metadata_props}
    assert (told["class_names"], told["segments"], told["size_pixels"]) == (["jump", "run", "sit"], 1 if shift is None else 4, 32)


def test_what_is_missing_is_told_with_the_command_that_installs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(InputError, match="pip install onnx onnxscript"):
        OnnxFile(path=str(tmp_path / "encoder.onnx")).write_encoder(encoder_of(small_backbone()))
    assert not list(tmp_path.iterdir())
