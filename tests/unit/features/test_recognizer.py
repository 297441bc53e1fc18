"""A fine-tuned recognizer from its file: the same logits as the network that was saved, and the view that it was tested with."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tests.unit.features.pretrained_file import small_backbone, write_resnet18, write_run
from tests.unit.features.written_recognizer import RESNET18, SHIFT, write_recognizer

from vclr_pl.backbone.recognition_network import RecognitionNetwork
from vclr_pl.backbone.resnet import SmallResNet
from vclr_pl.backbone.temporal_shift import ResidualShift
from vclr_pl.callback.export import write_tensors
from vclr_pl.features.recognizer import EncoderWeights, is_recognizer, load_recognizer
from vclr_pl.types import InputError

ARCHITECTURE = {"_target_": "vclr_pl.backbone.resnet.SmallResNet", "widths": [8, 16], "stem_stride": 2}


def recognizer(*, shift=None):
    torch.manual_seed(0)  # with some weights no frame has a gradient: every ReLU gives 0
    network = RecognitionNetwork(
        backbone=SmallResNet(widths=[8, 16], stem_stride=2),
        classes=3,
        dropout=0.5,
        dropout_over="video",
        head_std=1.0,
        shift=None if shift is None else ResidualShift(**shift),
        mode="full",
    )
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(layer.running_mean)
    return network.eval()


def written(folder, network, **changes):
    shift = None if network.shift is None else {"segments": network.shift.segments, "divisor": network.shift.divisor}
    description = {
        "architecture": ARCHITECTURE,
        "class_names": ["jump", "run", "sit"],
        "shift": shift,
        "segments": 4,
        "crop_pixels": 16,
        "short_side_pixels": 20,
        "crops": "ten",
        "mean": [0.5, 0.5, 0.5],
        "std": [0.25, 0.25, 0.25],
        "frames_per_clip": 1,
        "frame_stride": 1,
    }
    write_tensors(folder / "recognizer.safetensors", network.state_dict(), description | changes)
    return folder


@pytest.mark.parametrize("shift", [None, {"segments": 4, "divisor": 4}])
def test_it_says_what_the_saved_network_says(tmp_path, shift):
    network = recognizer(shift=shift)
    loaded = load_recognizer(str(written(tmp_path, network)))
    assert (loaded.class_names, loaded.feature_dim, loaded.training) == (("jump", "run", "sit"), 3, False)
    frames = torch.randint(256, (8, 3, 30, 40), dtype=torch.uint8)
    seen = loaded.transform(frames)
    assert seen.shape == (8, 3, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(loaded.pooled(seen), network(seen))
        torch.testing.assert_close(loaded(seen.unflatten(0, (2, 4))), network(seen).unflatten(0, (2, 4)).mean(1))
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_its_view_is_the_centers_of_the_tests_segments(tmp_path):
    loaded = load_recognizer(str(written(tmp_path, recognizer()) / "recognizer.safetensors"))
    assert loaded.view.indices(40) == [5, 15, 25, 35]
    assert (loaded.view.crop_pixels, loaded.view.short_side_pixels, loaded.view.crops) == (16, 20, "center")
    assert loaded.view.in_words == "4 frames per video, center crop of 16 pixels from a short side of 20 pixels"


def test_a_shifted_network_wants_whole_videos(tmp_path):
    loaded = load_recognizer(str(written(tmp_path, recognizer(shift={"segments": 4, "divisor": 4}))))
    with pytest.raises(InputError, match=r"whole videos of 4 frames, .*; got 6"):
        loaded.pooled(torch.zeros(6, 3, 16, 16))


def test_gradients_reach_the_frames(tmp_path):
    """Activation maps ask for them."""
    loaded = load_recognizer(str(written(tmp_path, recognizer())))
    frames = torch.randn(2, 3, 16, 16)
    for parameter in loaded.parameters():
        parameter.requires_grad_()
    frames.requires_grad_()
    loaded.pooled(frames).sum().backward()
    assert frames.grad is not None
    assert frames.grad.abs().sum() > 0


def test_what_is_no_recognizer_is_told(tmp_path):
    with pytest.raises(InputError, match="which does not exist"):
        load_recognizer(str(tmp_path))
    save_file({"conv1.weight": torch.zeros(1)}, tmp_path / "recognizer.safetensors")
    with pytest.raises(InputError, match="expected a recognizer with its class names"):
        load_recognizer(str(tmp_path))
    (tmp_path / "recognizer.safetensors").write_text("text")
    with pytest.raises(InputError, match="safetensors"):
        load_recognizer(str(tmp_path))
    with pytest.raises(InputError, match="the tensors of the network"):
        load_recognizer(str(written(tmp_path, recognizer(), class_names=["one", "two"])))


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
