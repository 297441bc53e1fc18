"""Small encoders in every form that a file can have."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor, nn

from vclr_pl.backbone.resnet import SmallResNet, resnet

ARCHITECTURE: dict[str, Any] = {"_target_": "vclr_pl.backbone.resnet.SmallResNet", "widths": [4, 8], "stem_stride": 2}
VIEW = {"frames": 30, "crop_pixels": 32, "short_side_pixels": 40, "mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}


def small_backbone(seed: int = 0) -> SmallResNet:
    torch.manual_seed(seed)
    return SmallResNet(widths=[4, 8], stem_stride=2)


def prefixed(prefix: str, network: nn.Module) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in network.state_dict().items()}


def write_run(folder: Path, *, architecture: dict[str, Any] | None = None) -> Path:
    """A run folder: query encoder of seed 0, momentum encoder of seed 1."""
    state = prefixed("encoder.backbone.", small_backbone(0)) | prefixed("momentum_encoder.encoder.backbone.", small_backbone(1))
    state["encoder.heads.inter.0.weight"] = torch.zeros(2, 2)
    (folder / "checkpoints").mkdir(parents=True)
    torch.save({"state_dict": state}, folder / "checkpoints" / "last.ckpt")
    config = {
        "backbone": architecture or ARCHITECTURE,
        "evaluation_view": VIEW,
        "sampling": {"segments": 3, "frames_per_clip": 1, "frame_stride": 1},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder


def write_resnet18(path: Path, form: str) -> nn.Module:
    """A ResNet-18 as MoCo v2, the published code or torchvision leave it."""
    torch.manual_seed(2)
    network: nn.Module = resnet(name="resnet18")
    head = {"fc.weight": torch.zeros(2, 512), "fc.bias": torch.zeros(2)}
    if form == "moco":
        keys = {f"module.encoder_k.{name}": tensor + 1 for name, tensor in network.state_dict().items() if tensor.is_floating_point()}
        content: Any = {"state_dict": {**prefixed("module.encoder_q.", network), "module.encoder_q.fc.0.weight": torch.zeros(1), **keys}}
    elif form == "release":
        heads = {f"module.{name}.0.weight": torch.zeros(2) for name in ("fc_inter", "fc_intra", "fc_order", "fc_tsn")}
        content = {"model": {**prefixed("module.", network), **heads}, "opt": Namespace(epochs=400)}
    else:
        content = {**network.state_dict(), **head}
    torch.save(content, path)
    return network
