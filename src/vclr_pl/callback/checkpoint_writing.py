"""Checkpoints on disk: a copy in main memory, written by a thread while training continues; each file is replaced in one step.

Lightning writes into the system's temporary folder and moves the file. If that is another file system, as on most clusters, the move is a
copy, and a run that is killed during it leaves a truncated `last.ckpt`.
"""

from __future__ import annotations

import copy
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO
from torch import Tensor

from vclr_pl.files import in_words, usable, whole_file

# Names of callbacks in checkpoints of 0.1.0, and now: the class, and that the newest two are kept.
RENAMED_CALLBACKS = {
    "BestCheckpoint{'monitor': 'val/knn_top1'": "BestCheckpoint{'monitor': 'val/knn_train_top1'",
    "PeriodicCheckpoint{": "ModelCheckpoint{",
    "ModelCheckpoint{'monitor': None, 'mode': 'min'": "ModelCheckpoint{'monitor': 'epoch', 'mode': 'max'",
}
PREVIOUS = "previous"  # the storage option: where the file that is replaced is kept

logger = logging.getLogger(__name__)


class HostCopy:
    """Copies checkpoints into main memory, each into the memory of the one before: new memory takes eight times as long."""

    def __init__(self) -> None:
        self._kept: dict[tuple[object, ...], Tensor] = {}

    def take(self, checkpoint: dict[str, Any]) -> dict[str, Any]:
        """A copy that training does not change. Tensors of a GPU arrive once its present stream has reached this point."""
        kept: dict[tuple[object, ...], Tensor] = {}
        copies: dict[int, Any] = {}
        for place, tensor in _tensors(checkpoint):
            memory = self._kept.get(place)
            if memory is None or (memory.shape, memory.dtype, memory.stride()) != (tensor.shape, tensor.dtype, tensor.stride()):
                memory = torch.empty_like(tensor, device="cpu", pin_memory=tensor.is_cuda, requires_grad=False)
            memory.copy_(tensor.detach(), non_blocking=tensor.is_cuda)
            kept[place] = copies[id(tensor)] = memory
        self._kept = kept
        return copy.deepcopy(checkpoint, copies)


def _tensors(value: Any, place: tuple[object, ...] = ()) -> Iterator[tuple[tuple[object, ...], Tensor]]:
    """The tensors in nested dictionaries, lists and tuples, with their keys."""
    if isinstance(value, Tensor):
        yield place, value
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield from _tensors(part, (*place, key))
    elif isinstance(value, list | tuple):
        for number, part in enumerate(value):
            yield from _tensors(part, (*place, number))


class AtomicCheckpointIO(TorchCheckpointIO):
    """Copies a checkpoint into main memory; a thread writes the copy beside the target, flushes it to disk and replaces the target.

    One file is written at a time, in the order of the calls. A file that cannot be written is a warning, and `wait` returns its error.
    """

    def __init__(self) -> None:
        self._copy = HostCopy()
        self._writing: threading.Thread | None = None
        self._failure: Exception | None = None

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any = None) -> None:
        """
        Args:
            storage_options: `{"previous": PATH}` keeps the file that is replaced, if it is whole, as PATH.

        Raises:
            TypeError: other storage options.
        """
        if storage_options is not None and set(storage_options) != {PREVIOUS}:
            raise TypeError("AtomicCheckpointIO writes to local disks; its only storage option is `previous`")
        self.wait()
        content = self._copy.take(checkpoint)
        copied = torch.cuda.current_stream().record_event() if torch.cuda.is_available() and torch.cuda.is_initialized() else None
        previous = None if storage_options is None else Path(storage_options[PREVIOUS])

        def write() -> None:
            if copied is not None:
                copied.synchronize()
            write_checkpoint(content, Path(path), previous=previous)

        self._start(write, path=Path(path))

    def wait(self) -> Exception | None:
        """Wait for the thread. Returns why the file of the last call could not be written; None if it is whole."""
        if self._writing is not None:
            self._writing.join()
            self._writing = None
        return self._failure

    @property
    def is_writing(self) -> bool:
        return self._writing is not None and self._writing.is_alive()

    def _start(self, write: Callable[[], None], *, path: Path) -> None:
        def reported() -> None:
            try:
                write()
            except Exception as error:
                self._failure = error
                cause = (in_words(error) if isinstance(error, OSError) else None) or error
                logger.warning("%s is not written, and is tried again at the next checkpoint: %s", path, cause)

        self._failure = None
        self._writing = threading.Thread(target=reported, name="checkpoint")
        self._writing.start()

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Read a checkpoint. Callbacks of 0.1.0 get the names that they have now, so that their state is restored."""
        self.wait()
        checkpoint: dict[str, Any] = super().load_checkpoint(path, map_location, weights_only)
        for old, new in RENAMED_CALLBACKS.items():
            for key in [key for key in checkpoint.get("callbacks", {}) if key.startswith(old)]:
                checkpoint["callbacks"][key.replace(old, new, 1)] = checkpoint["callbacks"].pop(key)
        return checkpoint

    def remove_checkpoint(self, path: Any) -> None:
        """Remove a file once the newer one, which is being written, is whole."""
        if self.wait() is None:
            super().remove_checkpoint(path)

    def teardown(self) -> None:
        self.wait()


def write_checkpoint(content: dict[str, Any], path: Path, *, previous: Path | None) -> None:
    """Write beside `path`, flush to disk, keep the present file as `previous` if it is whole, and replace it.

    At every moment one of the two is whole. Only one process writes the file: the draft of a killed one is replaced.
    """
    with whole_file(path, one_writer=True) as draft:
        with draft.open("wb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
        if previous is not None and usable(path):
            _keep(path, previous)


def _keep(path: Path, previous: Path) -> None:
    link = previous.with_name(f".{previous.name}.unfinished")
    link.unlink(missing_ok=True)
    try:
        os.link(path, link)
    except OSError:  # a file system without hard links
        path.replace(previous)
    else:
        link.replace(previous)
