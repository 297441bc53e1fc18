"""This package's own checkpoints: the query encoder and the order classifier of a run."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from vclr_pl.types import InputError
from vclr_pl.weight.key_map import BACKBONE, KeyReport, load_by_name, own_names, read_safely, save_atomically, tensors_of


class LightningCheckpoint:
    """Reads a `.ckpt` of pretraining.

    Args:
        path: the checkpoint, for instance `runs/.../checkpoints/last.ckpt`.
    """

    def __init__(self, *, path: str) -> None:
        self.path = path

    def read(self) -> dict[str, Tensor]:
        """Query encoder, heads and order classifier; queues and momentum encoder are left.

        Raises:
            InputError: when the file holds no such encoder.
        """
        content = read_safely(self.path)
        state = tensors_of(content.get("state_dict", {}) if isinstance(content, dict) else content, path=self.path)
        tensors = own_names(state)
        if not any(key.startswith(BACKBONE) for key in tensors):
            raise InputError(
                expected="a checkpoint of vclr_pl's pretraining",
                got=f"no encoder.backbone.* in {self.path}",
                remedy="Give the last.ckpt of a run, or choose the form of the file: weight=moco_v2, vclr_release, torchvision. "
                "Give the last.ckpt of a run, or set from=encoder, which tells the form by the contents.",
            )
        return tensors

    def load_into(self, module: nn.Module) -> KeyReport:
        """Copy into a `VCLRModule`'s query encoder and order classifier; see `key_map.load_by_name`."""
        return load_by_name(module, self.read(), path=self.path)

    def write(self, tensors: Mapping[str, Tensor]) -> tuple[str, ...]:
        """Save as a checkpoint that `read` understands (weights only, nothing to resume from); the names saved."""
        saved = own_names(tensors)
        save_atomically({"state_dict": saved}, self.path)
        return tuple(saved)
