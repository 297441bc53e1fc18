from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.unit.embedding.pretrained_file import small_backbone, write_resnet18, write_run
from tests.unit.embedding.written_recognizer import RESNET18, SHIFT, write_recognizer

from vclr_pl.embedding.encoder_weights import EncoderWeights, is_recognizer
from vclr_pl.types import InputError


def test_a_run_folder_gives_the_backbone_of_its_query_encoder(tmp_path: Path) -> None:
    tensors = EncoderWeights(path=str(write_run(tmp_path / "run"))).read()
    expected = {f"encoder.backbone.{name}": tensor for name, tensor in small_backbone(0).state_dict().items()}
    assert list(tensors) == list(expected)
    assert all(torch.equal(tensors[name], tensor) for name, tensor in expected.items())


@pytest.mark.parametrize(("form", "classifier"), [("torchvision", ["fc.weight", "fc.bias"]), ("moco", []), ("release", [])])
def test_a_linear_classifier_comes_along_and_heads_of_pretraining_do_not(form: str, classifier: list[str], tmp_path: Path) -> None:
    network = write_resnet18(tmp_path / "x.pth", form)
    assert list(EncoderWeights(path=str(tmp_path / "x.pth")).read()) == [
        *(f"encoder.backbone.{name}" for name in network.state_dict()),
        *classifier,
    ]


@pytest.mark.parametrize("shift", [None, SHIFT])
def test_a_recognizer_brings_its_classifier(shift: dict[str, int] | None, tmp_path: Path) -> None:
    network = write_recognizer(tmp_path / "run", architecture=RESNET18, shift=shift)
    for path in (tmp_path / "run", tmp_path / "run" / "recognizer.safetensors"):
        tensors = EncoderWeights(path=str(path)).read()
        assert set(tensors) == {*(f"encoder.backbone.{name}" for name in network.backbone.state_dict()), "fc.weight", "fc.bias"}
        assert torch.equal(tensors["fc.weight"], network.head.weight)
        assert torch.equal(tensors["encoder.backbone.layer2.0.conv1.weight"], network.backbone.state_dict()["layer2.0.conv1.weight"])


def test_recognizers_are_told_from_encoders(tmp_path: Path) -> None:
    write_recognizer(tmp_path / "run")
    write_run(tmp_path / "encoder")
    (tmp_path / "text.safetensors").write_text("no weights")
    (tmp_path / "run" / "recognizer.safetensors").rename(tmp_path / "mine.safetensors")
    found = {name: is_recognizer(str(tmp_path / name)) for name in ("mine.safetensors", "run", "encoder", "text.safetensors", "absent")}
    assert found == {"mine.safetensors": True, "run": False, "encoder": False, "text.safetensors": False, "absent": False}


def test_an_absent_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.pth, which does not exist"):
        EncoderWeights(path=str(tmp_path / "none.pth")).read()
