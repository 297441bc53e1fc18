from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from torch import nn

from vclr_pl.backbone.resnet import SmallResNet, resnet
from vclr_pl.backbone.timm_network import timm_network
from vclr_pl.types import InputError
from vclr_pl.weights.image_weights import PACKAGE, fetched_weights, installed_lite0, timm_name

INSTALLED = pytest.mark.skipif(importlib.util.find_spec(PACKAGE) is None, reason=f"{PACKAGE} is not installed: the extra `imagenet`")


def lite0() -> Any:
    return timm_network(name="tf_efficientnet_lite0", input_pixels=64, drop_path_rate=0.0, gradient_checkpointing=False)


@INSTALLED
def test_every_tensor_of_the_package_has_its_place_in_timms_order() -> None:
    """The file lists its tensors in the order of timm's network: a second way to pair them."""
    path = Path(importlib.util.find_spec(PACKAGE).origin).parent / "models" / "efficientnet-lite0-57934424.pth"  # type: ignore[union-attr, arg-type]
    keys = [key for key in torch.load(path, weights_only=True) if not key.startswith("_fc.")]
    assert [timm_name(key) for key in keys] == [
        name for name in timm.create_model("tf_efficientnet_lite0").state_dict() if "class" not in name
    ]
    found, own = installed_lite0(lite0()), lite0().state_dict()
    assert {name: tensor.shape for name, tensor in found.items()} == {name: tensor.shape for name, tensor in own.items()}


@INSTALLED
@torch.no_grad()
def test_the_features_depend_on_what_a_picture_shows() -> None:
    """A network with shuffled layers would see noise: two crops of one picture are nearer than two pictures."""
    network = lite0()
    network.load_state_dict(installed_lite0(network))
    rows = torch.linspace(-1, 1, 96)
    disc = (rows[:, None] ** 2 + rows[None] ** 2 < 0.5).float().expand(3, -1, -1)
    bars = (torch.arange(96) % 16 < 8).float().expand(3, 96, 96)
    features = network.eval()(torch.stack([part for picture in (disc, bars) for part in (picture[:, :64, :64], picture[:, 16:80, 16:80])]))
    similarity = torch.cosine_similarity(features[:, None], features[None], dim=-1)
    assert min(similarity[0, 1], similarity[2, 3]) > similarity[:2, 2:].max() + 0.2


def test_another_network_is_refused() -> None:
    with pytest.raises(InputError, match=r"backbone=efficientnet_lite0, .*; got backbone resnet18"):
        installed_lite0(resnet(name="resnet18"))


def test_the_weights_in_the_cache_are_taken_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """torch.hub's cache holds a whole network, the classifier too."""
    whole = timm.create_model("resnet18")  # torchvision's names
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    torch.save(whole.state_dict(), tmp_path / "hub" / "checkpoints" / "resnet18-f37072fd.pth")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    found = fetched_weights(resnet(name="resnet18"))
    assert found.keys() == resnet(name="resnet18").state_dict().keys()
    assert torch.equal(found["layer4.1.conv2.weight"], whole.state_dict()["layer4.1.conv2.weight"])


class Fetched(nn.Module):
    def fetch_weights(self) -> dict[str, torch.Tensor]:
        raise OSError("no route to the host\nsecond line")


@pytest.mark.parametrize(
    ("network", "said"),
    [
        (Fetched(), r"in the cache or over the network; got no route to the host\. Run once with a network"),
        (SmallResNet(widths=[4, 8], stem_stride=2), r"got backbone small_resnet\. Set backbone=timm"),
    ],
)
def test_weights_that_cannot_be_had_are_said_in_one_line(network: nn.Module, said: str) -> None:
    with pytest.raises(InputError, match=said) as raised:
        fetched_weights(network)
    assert "\n" not in str(raised.value)
