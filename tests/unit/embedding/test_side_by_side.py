"""Encoders to be compared: which network `random` is, what each is shown, and what they are called."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.unit.embedding.pretrained_file import small_backbone, write_resnet18, write_run
from tests.unit.embedding.written_recognizer import write_recognizer
from torch import nn

from vclr_pl.backbone.clip_network import clip_network
from vclr_pl.embedding.evaluation_protocol import EvaluationProtocol
from vclr_pl.embedding.frozen_encoder import FrozenEncoder
from vclr_pl.embedding.recognizer_file import FrozenRecognizer
from vclr_pl.embedding.side_by_side import NamedEncoder, SideBySide, short_names
from vclr_pl.types import InputError


def loaded(paths: list[str], *, backbone: nn.Module | None = None, frames_per_clip: int | None = None) -> list[NamedEncoder]:
    figures = {"frames": 5, "frames_per_clip": frames_per_clip, "frame_stride": frames_per_clip and 2}
    protocol = EvaluationProtocol(crop_pixels=None, short_side_pixels=None, mean=None, std=None, **figures)
    together = SideBySide(protocol=protocol, momentum=False)
    return together.load(paths, backbone=lambda: backbone)


def test_random_is_the_network_beside_it_with_its_view_wherever_it_stands(tmp_path: Path) -> None:
    run = str(write_run(tmp_path / "runs" / "mine"))
    torch.manual_seed(9)
    chance, trained = loaded(["random", run])
    assert (chance.name, trained.name) == ("random", "runs/mine")
    assert repr(chance.encoder.backbone) == repr(trained.encoder.backbone)
    assert chance.encoder.digest() != trained.encoder.digest()
    assert chance.encoder.view is trained.encoder.view
    assert (trained.encoder.view.frames, trained.encoder.view.crop_pixels) == (5, 32)
    alone = FrozenEncoder(backbone=small_backbone(seed=9), view=chance.encoder.view, frames_per_clip=1, frame_stride=1, origin="")
    assert alone.digest() == chance.encoder.digest()  # of the seed, whatever was loaded before


def test_a_network_that_is_named_is_randoms_and_files_keep_their_own(tmp_path: Path) -> None:
    run = str(write_run(tmp_path / "run"))
    other = small_backbone(seed=4)
    trained, chance = loaded([run, "random"], backbone=other)
    assert chance.encoder.backbone is other
    assert trained.encoder.digest() == loaded([run])[0].encoder.digest()


def test_different_files_keep_their_views(tmp_path: Path) -> None:
    write_resnet18(tmp_path / "resnet18.pth", "torchvision")
    first, second = loaded([str(write_run(tmp_path / "run")), str(tmp_path / "resnet18.pth")])
    assert [first.encoder.view.crop_pixels, second.encoder.view.crop_pixels] == [32, 224]


def test_a_3d_network_is_given_clips_or_asks_for_their_length() -> None:
    (encoder,) = loaded(["random"], backbone=clip_network(name="r3d_18"), frames_per_clip=8)
    assert (encoder.encoder.frames_per_clip, encoder.encoder.frame_stride) == (8, 2)
    with pytest.raises(InputError, match=r"protocol\.frames_per_clip=8 protocol\.frame_stride=2"):
        loaded(["random"], backbone=clip_network(name="r3d_18"))


def test_a_recognizer_keeps_its_own_view_and_random_is_like_the_encoder_beside_it(tmp_path: Path) -> None:
    write_recognizer(tmp_path / "tuned")
    run = str(write_run(tmp_path / "run"))
    recognizer, chance, trained = loaded([str(tmp_path / "tuned"), "random", run])
    assert isinstance(recognizer.encoder, FrozenRecognizer)
    assert (recognizer.encoder.view.frames, recognizer.encoder.view.crop_pixels) == (4, 32)
    assert chance.encoder.view is trained.encoder.view
    with pytest.raises(InputError, match="backbone=resnet50"):
        loaded([str(tmp_path / "tuned"), "random"])


def test_no_encoder_and_random_without_a_network_are_refused() -> None:
    with pytest.raises(InputError, match=r"encoder=\[A,B,random\]"):
        loaded([])
    with pytest.raises(InputError, match="backbone=resnet50"):
        loaded(["random"])


def test_names_tell_encoders_apart() -> None:
    paths = ["/a/runs/demo/one/checkpoints/last.ckpt", "runs/demo/two", "x/backbone.safetensors", "r50.pth", "random", "random", "/"]
    assert short_names(paths) == ["demo/one", "demo/two", "x", "r50.pth", "random", "random (2)", "/"]
