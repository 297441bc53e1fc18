"""MoCo v2 checkpoints, which the published pretraining starts from: the query encoder's backbone and its one head.

The head, Linear(2048, 2048), ReLU, Linear(2048, 128), is copied into all four heads, as the release does.
"""

from __future__ import annotations

from torch import Tensor, nn

from vclr_pl.types import InputError
from vclr_pl.weight.key_map import BACKBONE, HEADS, KeyReport, head_prefix, load_by_name, read_safely, tensors_of

QUERY_ENCODER = "module.encoder_q."
HEAD = "fc."


class MocoV2:
    """Reads the form of the MoCo repository.

    Args:
        path: the `.pth.tar` file.
    """

    def __init__(self, *, path: str) -> None:
        self.path = path

    def read(self) -> dict[str, Tensor]:
        """Tensors of the query encoder by this package's names; the momentum encoder and the queue of the file are left.

        Raises:
            InputError: when the file holds no `module.encoder_q.*`, or anything that would have to be executed.
        """
        content = read_safely(self.path)
        state = tensors_of(content.get("state_dict", {}) if isinstance(content, dict) else content, path=self.path)
        query = {key.removeprefix(QUERY_ENCODER): tensor for key, tensor in state.items() if key.startswith(QUERY_ENCODER)}
        if not query:
            raise InputError(
                expected="a MoCo v2 checkpoint with keys module.encoder_q.*",
                got=f"none in {self.path}",
                remedy="For a published VCLR checkpoint use weight=vclr_release. For a published VCLR checkpoint use from=vclr_release.",
            )
        tensors = {BACKBONE + key: tensor for key, tensor in query.items() if not key.startswith(HEAD)}
        for head in HEADS:
            tensors |= {head_prefix(head) + key.removeprefix(HEAD): query[key] for key in query if key.startswith(HEAD)}
        return tensors

    def load_into(self, module: nn.Module) -> KeyReport:
        """Copy into a `VCLRModule`'s query encoder; see `key_map.load_by_name`."""
        return load_by_name(module, self.read(), path=self.path)
