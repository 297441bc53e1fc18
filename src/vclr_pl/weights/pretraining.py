"""Weights of pretraining: MoCo v2, the published VCLR code, and our own checkpoints.

MoCo v2's head, Linear(2048, 2048), ReLU, Linear(2048, 128), is copied into all four heads, as in the published code.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from torch import Tensor, nn

from vclr_pl.types import InputError
from vclr_pl.weights.key_map import (
    BACKBONE,
    CLASSIFIER,
    HEADS,
    KeyReport,
    Prefixes,
    head_prefix,
    load_by_name,
    own_names,
    read_safely,
    renamed,
    reversed_prefixes,
    save_atomically,
    tensors_of,
)

QUERY_ENCODER = "module.encoder_q."
HEAD = "fc."


class MocoV2:
    """Reads checkpoints of the MoCo repository.

    Args:
        path: the `.pth.tar` file.
    """

    def __init__(self, *, path: str) -> None:
        self.path = path

    def read(self) -> dict[str, Tensor]:
        """Tensors of the query encoder by this package's names, without the momentum encoder and the queue.

        Raises:
            InputError: the file contains no `module.encoder_q.*`, or an object that would have to be executed.
        """
        content = read_safely(self.path)
        state = tensors_of(content.get("state_dict", {}) if isinstance(content, dict) else content, path=self.path)
        query = {key.removeprefix(QUERY_ENCODER): tensor for key, tensor in state.items() if key.startswith(QUERY_ENCODER)}
        if not query:
            raise InputError(
                expected="a MoCo v2 checkpoint with keys module.encoder_q.*",
                got=f"none in {self.path}",
                hint="For a published VCLR checkpoint use weight=vclr_release. For a published VCLR checkpoint use from=vclr_release.",
            )
        tensors = {BACKBONE + key: tensor for key, tensor in query.items() if not key.startswith(HEAD)}
        for head in HEADS:
            tensors |= {head_prefix(head) + key.removeprefix(HEAD): query[key] for key in query if key.startswith(HEAD)}
        return tensors

    def load_into(self, module: nn.Module) -> KeyReport:
        """Copy into a `VCLRModule`'s query encoder; see `key_map.load_by_name`."""
        return load_by_name(module, self.read(), path=self.path)


WRAPPER = "module."  # DistributedDataParallel's prefix; because of it the published code loads nothing in its warm start
PREFIXES: Prefixes = [
    ("fc_inter.", head_prefix("inter")),
    ("fc_intra.", head_prefix("intra")),
    ("fc_order_classifier.", CLASSIFIER),
    ("fc_order.", head_prefix("order")),
    ("fc_tsn.", head_prefix("segment")),
    ("", BACKBONE),
]


class VclrRelease:
    """Reads and writes checkpoints of the published VCLR code.

    Args:
        path: the `.pth` file.
    """

    def __init__(self, *, path: str) -> None:
        self.path = path

    def read(self) -> dict[str, Tensor]:
        """Tensors of the query encoder, the heads and the order classifier, by this package's names.

        Raises:
            InputError: the file contains no `model`, or an object that would have to be executed.
        """
        content = read_safely(self.path, allowed=[argparse.Namespace])
        if not isinstance(content, dict) or not isinstance(content.get("model"), dict):
            raise InputError(
                expected="a published VCLR checkpoint with its weights under 'model'",
                got=f"{_keys(content)} in {self.path}",
                hint="For a MoCo v2 checkpoint use weight=moco_v2. For a MoCo v2 checkpoint use from=moco_v2.",
            )
        model = tensors_of(content["model"], path=self.path)
        return renamed({key.removeprefix(WRAPPER): tensor for key, tensor in model.items()}, PREFIXES)

    def load_into(self, module: nn.Module) -> KeyReport:
        """Copy into a `VCLRModule`'s query encoder and order classifier; see `key_map.load_by_name`."""
        return load_by_name(module, self.read(), path=self.path)

    def write(self, tensors: Mapping[str, Tensor]) -> tuple[str, ...]:
        """Save tensors in the published format, with an empty Namespace under `opt`. Return the names of the saved tensors."""
        saved = own_names(tensors)
        published = renamed(saved, reversed_prefixes(PREFIXES))
        save_atomically({"model": {WRAPPER + key: tensor for key, tensor in published.items()}, "opt": argparse.Namespace()}, self.path)
        return tuple(saved)


def _keys(content: object) -> str:
    return f"the keys {', '.join(map(str, list(content)[:5]))}" if isinstance(content, dict) else f"a {type(content).__name__}"


class LightningCheckpoint:
    """Reads a `.ckpt` of pretraining.

    Args:
        path: the checkpoint, for instance `runs/.../checkpoints/last.ckpt`.
    """

    def __init__(self, *, path: str) -> None:
        self.path = path

    def read(self) -> dict[str, Tensor]:
        """Query encoder, heads and order classifier, without queues and momentum encoder.

        Raises:
            InputError: the file contains no such encoder.
        """
        content = read_safely(self.path)
        state = tensors_of(content.get("state_dict", {}) if isinstance(content, dict) else content, path=self.path)
        tensors = own_names(state)
        if not any(key.startswith(BACKBONE) for key in tensors):
            raise InputError(
                expected="a checkpoint of vclr_pl's pretraining",
                got=f"no encoder.backbone.* in {self.path}",
                hint="Give the last.ckpt of a run, or choose the form of the file: weight=moco_v2, vclr_release, torchvision. "
                "Give the last.ckpt of a run, or set from=encoder, which detects the form.",
            )
        return tensors

    def load_into(self, module: nn.Module) -> KeyReport:
        """Copy into a `VCLRModule`'s query encoder and order classifier; see `key_map.load_by_name`."""
        return load_by_name(module, self.read(), path=self.path)

    def write(self, tensors: Mapping[str, Tensor]) -> tuple[str, ...]:
        """Save a checkpoint for `read`: weights only, without the state to resume. Return the names of the saved tensors."""
        saved = own_names(tensors)
        save_atomically({"state_dict": saved}, self.path)
        return tuple(saved)
