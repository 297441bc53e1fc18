"""Checkpoints that are whole or not there.

Lightning writes into the system's temporary folder and moves the file. Where that is another file system, as on most clusters, moving
is copying, and a run killed meanwhile leaves half a `last.ckpt` in place of the good one.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO

from vclr_pl.whole_file import whole_file


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside the target, flushes to the disk, then replaces the target in one step."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any = None) -> None:
        """
        Raises:
            TypeError: when storage options are given: this writes to local disks.
        """
        if storage_options is not None:
            raise TypeError("AtomicCheckpointIO takes no storage options: it writes to local disks")
        with whole_file(Path(path)) as draft, draft.open("wb") as file:
            torch.save(checkpoint, file)
            file.flush()
            os.fsync(file.fileno())
