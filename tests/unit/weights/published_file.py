"""Checkpoints as their authors ship them, filled with drawn numbers."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any

import torch
from tests.parity import recipe
from tests.unit.pretrain.built import terms
from torch import Tensor

from vclr_pl.backbone.resnet import resnet
from vclr_pl.encoder.momentum_contrast import MomentumEncoder, NegativeQueue
from vclr_pl.encoder.video_encoder import EncoderRuntime, ProjectionHead
from vclr_pl.objective.terms import WeightedSum
from vclr_pl.optim.optimizer import LinearScaledSGD
from vclr_pl.optim.schedule import WarmupCosine
from vclr_pl.pretrain.vclr_module import VCLRModule
from vclr_pl.pretrain.view_encoding import SeparateEncoding
from vclr_pl.weights.key_map import renamed, reversed_prefixes
from vclr_pl.weights.pretraining import PREFIXES


def resnet_module() -> VCLRModule:
    queue = partial(NegativeQueue, length=64, initialization="unit", mask_own_video=False)
    return VCLRModule(
        backbone=resnet(name="resnet18"),
        head=partial(ProjectionHead, dim=4),
        objective=WeightedSum(terms=terms()),
        encoding=SeparateEncoding(),
        momentum_encoder=partial(MomentumEncoder, momentum=0.9, copy_buffers=False),
        queue={"inter": queue, "segment": queue},
        optimizer=LinearScaledSGD(lr=0.1, reference_batch_size=256, momentum=0.9, weight_decay=1e-4),
        schedule=WarmupCosine(warmup_epochs=0, warmup_multiplier=100, minimum_lr=0.0),
        runtime=EncoderRuntime(channels_last=False, compile=False),
    )


def published_tensors(module: VCLRModule, *, salt: int = 7) -> dict[str, Tensor]:
    own = {name: value for name, value in module.state_dict().items() if name.startswith(("encoder.", "objective."))}
    shapes = {name: tuple(value.shape) for name, value in renamed(own, reversed_prefixes(PREFIXES)).items()}
    return recipe.published_state_dict(shapes, salt)


def write_release(path: Path, tensors: dict[str, Tensor]) -> None:
    model = {f"module.{name}": tensor for name, tensor in tensors.items()}
    torch.save({"model": model, "opt": argparse.Namespace(lr=0.1, name="vclr"), "epoch": 400}, path)


def write_moco(path: Path, tensors: dict[str, Tensor]) -> None:
    backbone = {name: tensor for name, tensor in tensors.items() if not name.startswith("fc_")}
    head = {"fc" + name.removeprefix("fc_inter"): tensor for name, tensor in tensors.items() if name.startswith("fc_inter.")}
    state = {f"module.encoder_q.{name}": tensor for name, tensor in (backbone | head).items()}
    state |= {f"module.encoder_k.{name}": tensor + 1 for name, tensor in (backbone | head).items()}
    torch.save({"epoch": 200, "arch": "resnet18", "state_dict": state | {"module.queue": torch.zeros(4, 8)}}, path)


def drawn_network(name: str) -> tuple[Any, dict[str, Tensor]]:
    """A network with batch norms that have seen something, and its tensors by this package's names."""
    torch.manual_seed(5)
    network = resnet(name=name).eval()
    for tensor_name, tensor in network.state_dict().items():
        if tensor_name.endswith(("running_mean", "running_var")) or tensor.dim() == 1:
            tensor.uniform_(0.5, 1.5)
    return network, {f"encoder.backbone.{key}": tensor for key, tensor in network.state_dict().items()}
