"""The published VCLR checkpoints: `{"model": {"module.conv1.weight": ...}, "opt": argparse.Namespace}`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from torch import Tensor, nn

from vclr_pl.types import InputError
from vclr_pl.weight.key_map import (
    BACKBONE,
    CLASSIFIER,
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

WRAPPER = "module."  # DistributedDataParallel's prefix, which made the release's own warm start load nothing
PREFIXES: Prefixes = [
    ("fc_inter.", head_prefix("inter")),
    ("fc_intra.", head_prefix("intra")),
    ("fc_order_classifier.", CLASSIFIER),
    ("fc_order.", head_prefix("order")),
    ("fc_tsn.", head_prefix("segment")),
    ("", BACKBONE),
]


class VclrRelease:
    """Reads and writes the published form.

    Args:
        path: the `.pth` file.
    """

    def __init__(self, *, path: str) -> None:
        self.path = path

    def read(self) -> dict[str, Tensor]:
        """Tensors of the query encoder, the heads and the order classifier, by this package's names.

        Raises:
            InputError: when the file holds no `model`, or anything that would have to be executed.
        """
        content = read_safely(self.path, allowed=[argparse.Namespace])
        if not isinstance(content, dict) or not isinstance(content.get("model"), dict):
            raise InputError(
                expected="a published VCLR checkpoint with its weights under 'model'",
                got=f"{_keys(content)} in {self.path}",
                remedy="For a MoCo v2 checkpoint use weight=moco_v2. For a MoCo v2 checkpoint use from=moco_v2.",
            )
        model = tensors_of(content["model"], path=self.path)
        return renamed({key.removeprefix(WRAPPER): tensor for key, tensor in model.items()}, PREFIXES)

    def load_into(self, module: nn.Module) -> KeyReport:
        """Copy into a `VCLRModule`'s query encoder and order classifier; see `key_map.load_by_name`."""
        return load_by_name(module, self.read(), path=self.path)

    def write(self, tensors: Mapping[str, Tensor]) -> tuple[str, ...]:
        """Save tensors of this package's names in the published form, with an empty Namespace under `opt`; the names saved."""
        saved = own_names(tensors)
        published = renamed(saved, reversed_prefixes(PREFIXES))
        save_atomically({"model": {WRAPPER + key: tensor for key, tensor in published.items()}, "opt": argparse.Namespace()}, self.path)
        return tuple(saved)


def _keys(content: object) -> str:
    return f"the keys {', '.join(map(str, list(content)[:5]))}" if isinstance(content, dict) else f"a {type(content).__name__}"
