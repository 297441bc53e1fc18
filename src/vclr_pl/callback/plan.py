"""What a run needs of memory and disk, and how many evaluations it makes, from its trainer before the first step."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import nn

from vclr_pl.callback.activations import activation_bytes
from vclr_pl.callback.checkpoint import BestCheckpoint, LastCheckpoint
from vclr_pl.callback.encoder_monitor import EncoderMonitor
from vclr_pl.callback.export import BackboneExport, RecognizerExport
from vclr_pl.files import machine_memory
from vclr_pl.report.plan import Disk, Memory, Steps, plan_lines, shortages

FILES_BESIDE = 1_500_000  # bytes of log, config, metrics.csv and pictures


def first_lines(trainer: Any, module: Any, *, callbacks: Sequence[Any]) -> tuple[list[str], list[str]]:
    """The lines on videos, steps, memory and disk, and the warnings where the machine has too little.

    Args:
        callbacks: of the run, which may be other than those of `trainer`.
    """
    data, folder = trainer.datamodule, Path(trainer.default_root_dir)
    memory, disk = memory_of(trainer, module), disk_of(trainer, module, folder=folder, callbacks=callbacks)
    lines = plan_lines(
        videos=data.footage(),
        test_videos=len(data.manifest("test")) if data.has_test else 0,
        steps=steps_of(module),
        memory=memory,
        disk=disk,
        folder=str(folder),
    )
    return list(lines), shortages(memory, disk)


def steps_of(module: Any) -> Steps:
    """Length of the run."""
    length = module.length
    return Steps(
        per_epoch=length.steps_per_epoch, total=length.total_steps, videos_per_step=length.global_batch_size, done=length.done_steps
    )


def epochs_of(module: Any) -> int:
    """Complete epochs of the run, of a length in steps too."""
    return int(module.length.epochs_at(module.length.total_steps))


def memory_of(trainer: Any, module: Any) -> Memory:
    """Memory of one process. The network's part follows from its tensors."""
    queues = sum(_bytes(module.queue_of(name)) for name in getattr(module, "queues", ()))
    trained = _bytes(module, trained_only=True)
    on_gpu = trainer.strategy.root_device.type == "cuda"
    data: Any = trainer.datamodule
    return Memory(
        network=_bytes(module) - queues + 2 * trained,  # gradients, and the optimizer's momentum
        queues=queues,
        batches=data.batches_bytes,
        workers=data.workers,
        activations=_activations(trainer, module),
        on_gpu=on_gpu,
        machine=machine_memory(),
        gpu=torch.cuda.get_device_properties(trainer.strategy.root_device).total_memory if on_gpu else None,
    )


def _activations(trainer: Any, module: Any) -> int | None:
    """Of the images whose gradient is computed: S frames of each video of a batch."""
    data, recognizer = trainer.datamodule, getattr(module, "recognizer", None)
    if data.view_shape is None:
        return None
    if recognizer is not None and not recognizer.trains_backbone:
        return 0
    backbone = module.encoder.backbone if recognizer is None else recognizer.backbone
    per_view = activation_bytes(backbone, view=data.view_shape)
    bytes_per_value = 4 if trainer.precision == "32-true" else 2
    return None if per_view is None else per_view * data.segments * data.batch_size * bytes_per_value // 4


def disk_of(trainer: Any, module: Any, *, folder: Path, callbacks: Sequence[Any]) -> Disk:
    """Disk of the run folder: a checkpoint holds every tensor of the module and the optimizer's momentum."""
    epochs = epochs_of(module)
    present = next(around for around in (folder, *folder.absolute().parents) if around.is_dir())
    return Disk(
        checkpoint=_bytes(module) + _bytes(module, trained_only=True),
        checkpoints=kept_checkpoints(callbacks, trainer, epochs=epochs),
        others=sum(_exported(callback, module) for callback in callbacks) + FILES_BESIDE,
        free=shutil.disk_usage(present).free,
    )


def kept_checkpoints(callbacks: Sequence[Any], trainer: Any, *, epochs: int) -> int:
    """Number of checkpoints in the run folder at the end of a run of so many epochs."""
    written = [callback for callback in callbacks if isinstance(callback, ModelCheckpoint | LastCheckpoint) and not trainer.fast_dev_run]
    monitored = any(isinstance(callback, EncoderMonitor) and callback.readings(trainer, epochs=epochs) for callback in callbacks)
    kept = 0
    for callback in written:
        if isinstance(callback, LastCheckpoint):
            kept += min(2, epochs)  # and the one before
        elif isinstance(callback, BestCheckpoint):
            kept += int(monitored)
        else:
            files = epochs // max(1, callback._every_n_epochs)  # Lightning has no public name for it
            kept += files if callback.save_top_k < 0 else min(callback.save_top_k, files)
    return kept


def _exported(callback: Any, module: Any) -> int:
    if isinstance(callback, BackboneExport):
        return _bytes(module.encoder.backbone)
    return _bytes(module.recognizer) if isinstance(callback, RecognizerExport) else 0


def _bytes(part: nn.Module, *, trained_only: bool = False) -> int:
    """Of parameters and persistent buffers, or of the parameters that are trained."""
    if trained_only:
        return sum(parameter.nbytes for parameter in part.parameters() if parameter.requires_grad)
    return sum(value.nbytes for value in part.state_dict().values())
