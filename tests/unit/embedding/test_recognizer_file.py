"""A fine-tuned recognizer from its file: the same logits as the network that was saved, and the view that it was tested with."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from vclr_pl.backbone.recognition_network import RecognitionNetwork
from vclr_pl.backbone.small_resnet import SmallResNet
from vclr_pl.backbone.tsm_resnet import ResidualShift
from vclr_pl.callback.tensor_file import write_tensors
from vclr_pl.embedding.recognizer_file import load_recognizer
from vclr_pl.types import InputError

ARCHITECTURE = {"_target_": "vclr_pl.backbone.small_resnet.SmallResNet", "widths": [8, 16], "stem_stride": 2}


def recognizer(*, shift=None):
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
    assert loaded.view.in_words == "4 frames a video, center crop of 16 pixels from a short side of 20 pixels"


def test_a_shifted_network_wants_whole_videos(tmp_path):
    loaded = load_recognizer(str(written(tmp_path, recognizer(shift={"segments": 4, "divisor": 4}))))
    with pytest.raises(InputError, match="whole videos of 4, over which this network shifts; got 6"):
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
