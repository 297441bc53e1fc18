from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import timm
import torch

from vclr_pl.features.encoder import load_encoder
from vclr_pl.features.named_encoder import named_network
from vclr_pl.types import InputError
from vclr_pl.weights.image_weights import PACKAGE

INSTALLED = pytest.mark.skipif(importlib.util.find_spec(PACKAGE) is None, reason=f"{PACKAGE} is not installed: the extra `imagenet`")


@pytest.mark.parametrize("name", ["runs/demo/last", "C:file.pth", "random"])
def test_other_names_are_paths(name: str) -> None:
    assert named_network(name, crop_pixels=None) is None


@INSTALLED
def test_the_view_is_the_one_that_the_network_was_made_for() -> None:
    """224 pixels, mean and std 0.5, as timm's data config of tf_efficientnet_lite0 says; another crop is the user's."""
    encoder = load_encoder("imagenet:efficientnet_lite0")
    assert (encoder.view.crop_pixels, tuple(encoder.view.mean), tuple(encoder.view.std)) == (224, (0.5,) * 3, (0.5,) * 3)
    assert encoder.feature_dim == 1280
    assert load_encoder("imagenet:efficientnet_lite0", view={"crop_pixels": 96}).view.crop_pixels == 96


@torch.no_grad()
def test_torchvisions_weights_come_from_its_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = timm.create_model("resnet18")  # torchvision's names
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    torch.save(whole.state_dict(), tmp_path / "hub" / "checkpoints" / "resnet18-f37072fd.pth")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    encoder = load_encoder("torchvision:resnet18", view={"crop_pixels": 64})
    frames = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(
        encoder.pooled(frames), whole.eval().forward_head(whole.forward_features(frames), pre_logits=True), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize(
    ("name", "said"), [("imagenet:resnet50", "encoder=timm:NAME"), ("timm:convnext_attoo", "The nearest: convnext_atto")]
)
def test_a_name_that_does_not_exist_is_one_line(name: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        named_network(name, crop_pixels=None)
