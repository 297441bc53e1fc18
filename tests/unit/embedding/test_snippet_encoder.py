"""Encoders of runs and random ones come with their view; recognizers are told from encoders."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tests.unit.embedding.pretrained_file import small_backbone, write_run
from tests.unit.embedding.written_recognizer import CLASS_NAMES, RESNET18, SHIFT, write_recognizer

from vclr_pl.embedding.encoder_weights import is_recognizer
from vclr_pl.embedding.snippet_encoder import SnippetProtocol
from vclr_pl.types import InputError

PROTOCOL = SnippetProtocol(crop_pixels=None, short_side_pixels=None, mean=None, std=None)


def test_a_run_says_its_view(tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    encoder = PROTOCOL.load(str(tmp_path / "run"), momentum=False, backbone=None)
    assert (encoder.view.crop_pixels, encoder.view.short_side_pixels, encoder.view.frames) == (32, 40, 1)
    other = SnippetProtocol(crop_pixels=24, short_side_pixels=None, mean=None, std=None)
    assert other.load(str(tmp_path / "run"), momentum=True, backbone=None).view.crop_pixels == 24


def test_random_takes_the_network(tmp_path: Path) -> None:
    encoder = PROTOCOL.load("random", momentum=False, backbone=small_backbone())
    assert (encoder.feature_dim, encoder.view.crop_pixels) == (8, 224)


def test_recognizers_are_told_by_their_class_names(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "backbone.safetensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "recognizer.safetensors", metadata={"class_names": json.dumps(["a", "b"])})
    (tmp_path / "bad.safetensors").write_text("no tensors")
    found = {name: is_recognizer(str(tmp_path / name)) for name in ("", "backbone.safetensors", "recognizer.safetensors")}
    assert found == {"": True, "backbone.safetensors": False, "recognizer.safetensors": True}
    assert not any(is_recognizer(str(tmp_path / name)) for name in ("bad.safetensors", "absent.safetensors"))
    assert not is_recognizer("random")


def test_a_recognizer_is_loaded_as_one(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "recognizer.safetensors", metadata={"class_names": json.dumps(["a", "b"])})
    with pytest.raises(InputError, match="recognizer"):
        PROTOCOL.load(str(tmp_path), momentum=False, backbone=None)


def test_a_recognizer_that_looks_at_neighbors_is_refused(tmp_path: Path) -> None:
    write_recognizer(tmp_path, architecture=RESNET18, shift=SHIFT)
    with pytest.raises(InputError, match=r"describes each snippet by itself.*mixes 4 frames"):
        PROTOCOL.load(str(tmp_path), momentum=False, backbone=None)


def test_what_a_recognizer_does_not_use_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_recognizer(tmp_path)
    assert getattr(PROTOCOL.load(str(tmp_path), momentum=False, backbone=None), "class_names", ()) == CLASS_NAMES
    assert caplog.text == ""
    SnippetProtocol(crop_pixels=48, short_side_pixels=None, mean=None, std=None).load(str(tmp_path), momentum=True, backbone=None)
    assert "protocol.crop_pixels, momentum: not used" in caplog.text
