"""Checkpoints on disk: a copy in main memory, written by a thread while training continues; each file is replaced in one step.

Lightning writes into the system's temporary folder and moves the file. If that is another file system, as on most clusters, the move is a
copy, and a run that is killed during it leaves a truncated `last.ckpt`.
"""

from __future__ import annotations

import copy
import io
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO
from torch import Tensor

from vclr_pl.files import file_stamp, in_words, usable, whole_file

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


class PacedFile(io.RawIOBase):
    """A file whose writer pauses, so that it takes only a share of a core: on a CPU a training step needs all of them.

    A file of less than 4 MB is written without a pause.

    Args:
        file: open for writing.
        hurry: once set, there are no pauses.
    """

    SHARE = 0.05  # of a core
    PIECE = 2**22  # bytes between two pauses

    def __init__(self, file: BinaryIO, *, hurry: threading.Event) -> None:
        super().__init__()
        self._file, self._hurry = file, hurry
        self._worked, self._since = time.thread_time(), 0  # seconds, and bytes since the last pause

    def write(self, content: Any) -> int:
        """As a file's. `content` is anything that has bytes."""
        whole, start = memoryview(content).cast("B"), 0
        while start < len(whole):
            piece = whole[start : start + self.PIECE - self._since]
            self._file.write(piece)
            start, self._since = start + len(piece), self._since + len(piece)
            if self._since == self.PIECE:
                self._pause()
        return len(whole)

    def _pause(self) -> None:
        worked = time.thread_time() - self._worked
        self._hurry.wait(worked * (1 / self.SHARE - 1))
        self._worked, self._since = time.thread_time(), 0


class AtomicCheckpointIO(TorchCheckpointIO):
    """Copies a checkpoint into main memory; a thread writes the copy beside the target, flushes it to disk and replaces the target.

    One file is written at a time, in the order of the calls. A file that cannot be written is a warning, and `wait` returns its error.
    The thread leaves the cores to training until something waits for it.
    """

    def __init__(self) -> None:
        self._copy = HostCopy()
        self._writing: threading.Thread | None = None
        self._hurry = threading.Event()
        self._failure: Exception | None = None
        self._whole: dict[Path, tuple[int, int] | None] = {}  # files that this process has written, with size and time

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
            target = Path(path)
            is_whole = target in self._whole and self._whole[target] == file_stamp(target)
            keeps = None if previous is None or not (is_whole or usable(target)) else previous
            write_checkpoint(content, target, previous=keeps, hurry=self._hurry)
            self._whole[target] = file_stamp(target)

        self._start(write, path=Path(path))

    def wait(self) -> Exception | None:
        """Wait for the thread. Returns why the file of the last call could not be written; None if it is whole."""
        if self._writing is not None:
            self._hurry.set()
            self._writing.join()
            self._writing = None
        return self._failure

    def finish(self, *, seconds: float) -> None:
        """Give the thread so long, without pauses; called by another thread, before the process ends."""
        if (writing := self._writing) is not None:
            self._hurry.set()
            writing.join(seconds)

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
        self._hurry.clear()
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


def write_checkpoint(content: dict[str, Any], path: Path, *, previous: Path | None, hurry: threading.Event) -> None:
    """Write beside `path`, flush to disk, keep the present file, which is whole, as `previous`, and replace it.

    At every moment one of the two is whole. Only one process writes the file: the draft of a killed one is replaced.

    Args:
        previous: None keeps nothing.
        hurry: see PacedFile.
    """
    with whole_file(path, one_writer=True) as draft:
        with draft.open("wb") as file:
            torch.save(content, cast(IO[bytes], PacedFile(file, hurry=hurry)))
            file.flush()
            os.fsync(file.fileno())
        if previous is not None:
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
