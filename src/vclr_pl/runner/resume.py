"""Which checkpoint `resume=` means, and whether it is one of this run."""

from __future__ import annotations

import hashlib
import logging
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig

from vclr_pl.files import usable
from vclr_pl.op.collective import gather_objects
from vclr_pl.report.record import RESULTS, read_record
from vclr_pl.runner.run_identity import AUTO
from vclr_pl.store import LOCK, FolderLock
from vclr_pl.types import InputError

logger = logging.getLogger(__name__)

LAST = "last"
LAST_CHECKPOINT = Path("checkpoints") / "last.ckpt"


@dataclass(frozen=True)
class Hints:
    """What a command's user can do about a checkpoint that is not of the run."""

    another_network: str
    weights_alone: str


PRETRAINING = Hints(
    another_network="Give the backbone, head, queues and objective it was trained with, or load its weights with weight=...",
    weights_alone="To start from weights alone use weight=moco_v2 or weight=vclr_release with weight.path=FILE.",
)
FINE_TUNING = Hints(
    another_network="Give the encoder, recognizer, data, mode and parameter_groups it was trained with, or start without resume.",
    weights_alone="To start from weights alone use encoder=FILE, without resume.",
)


def checkpoint_path(resume: str | None, *, experiment_folder: Path) -> Path | None:
    """The file behind `resume`: a checkpoint, a run folder's last one, or, for `last`, the newest run's of the experiment.

    Raises:
        InputError: when there is no such file.
    """
    if resume in (None, AUTO):  # `continue_own_folder` has put the checkpoint in the place of AUTO if there is one
        return None
    path = _newest(experiment_folder) if resume == LAST else Path(str(resume))
    if path.is_dir():
        path = newest_usable(path) or path / LAST_CHECKPOINT
    if not path.is_file():
        raise InputError(
            expected="a checkpoint or a run folder with checkpoints/last.ckpt", got=f"resume={resume}", hint="Correct the path."
        )
    return path.absolute()


def run_folder_of(checkpoint: Path) -> Path:
    """The run folder of a checkpoint."""
    return checkpoint.parents[1] if checkpoint.parent.name == LAST_CHECKPOINT.parent.name else checkpoint.parent


def refuse_running(checkpoint: Path, *, folder: Path) -> None:
    """Refuse the checkpoint of a run that is still training, unless it is in `folder`, this run's own.

    Raises:
        InputError: another process trains in the checkpoint's run folder.
    """
    run = run_folder_of(checkpoint)
    if run.resolve() == folder.resolve() or not (run / LOCK).is_file():
        return
    lock = FolderLock(run)
    is_free = lock.acquired()
    lock.release()
    if not is_free:
        raise InputError(expected="a run that has ended", got=f"{run}, which is still training", hint="Wait for its end, or stop it.")


def refuse_foreign_checkpoint(
    path: Path,
    *,
    state: Mapping[str, Any],
    epochs: int | None,
    groups: Sequence[int] | None = None,
    hints: Hints = PRETRAINING,
) -> None:
    """Open a checkpoint before Lightning does and see that it continues this network's training.

    A run that has had all its epochs but has no results passes: its evaluation was interrupted.

    Args:
        path: the file.
        state: the module's, tensors by name.
        epochs: `trainer.max_epochs`.
        groups: how many parameters each group of the optimizer has, where a command lets its user choose them.
        hints: of the command.

    Raises:
        InputError: when it is no Lightning checkpoint, is of another network, objective or optimizer, or its run was over.
    """
    checkpoint = _read(path, hints)
    stored, wanted = ({(name, tuple(value.shape)) for name, value in tensors.items()} for tensors in (checkpoint["state_dict"], state))
    if stored != wanted:
        name, shape = (sorted(wanted - stored) or sorted(stored - wanted))[0]
        raise InputError(
            expected=f"a checkpoint of this network ({len(wanted)} tensors)",
            got=f"{path} with {len(stored)} tensors, {len(wanted & stored)} of them the same (differs: {name} of shape {list(shape)})",
            hint=hints.another_network,
        )
    trained = [len(group["params"]) for optimizer in checkpoint["optimizer_states"] for group in optimizer["param_groups"]]
    if groups is not None and trained != list(groups):
        raise InputError(
            expected=f"a checkpoint that trains the same parameters, in groups of {_listed(groups)}",
            got=f"{path} with {_listed(trained)}",
            hint=hints.another_network,
        )
    done = checkpoint.get("epoch", -1) + 1
    if epochs is not None and 0 < epochs <= done and (epochs < done or _has_results(path)):
        raise InputError(
            expected=f"a checkpoint of fewer than trainer.max_epochs={epochs} epochs",
            got=f"{path} after {done}",
            hint="That run is over: raise trainer.max_epochs to train longer.",
        )


def refuse_other_checkpoints(checkpoint: Path | None) -> None:
    """Compare the content of the checkpoint over ranks; collective. Each rank has chosen its own before they were connected, and a network
    file system shows one machine an older file than another.

    Raises:
        InputError: on all ranks.
    """
    found = gather_objects(_content(checkpoint))
    other = next((rank for rank, of_rank in enumerate(found) if of_rank != found[0]), None)
    if other is not None:
        raise InputError(
            expected="the same checkpoint on all ranks",
            got=f"{found[0][0]} on rank 0 and {found[other][0]} on rank {other}",
            hint="Start the command again: a network file system may show an older file for a minute.",
        )


def _content(checkpoint: Path | None) -> tuple[str, str]:
    """A checkpoint in words, and a digest of the checksums that torch has stored in it."""
    if checkpoint is None:
        return "none", ""
    with zipfile.ZipFile(checkpoint) as archive:
        sums = [(record.filename, record.CRC, record.file_size) for record in archive.infolist()]
    return f"{checkpoint.name} of step {_steps(checkpoint)}", hashlib.sha256(repr(sums).encode()).hexdigest()


def _listed(groups: Sequence[int]) -> str:
    return ", ".join(map(str, groups)) or "none"


def _has_results(checkpoint: Path) -> bool:
    folders = checkpoint.parents[:2] if checkpoint.parent.name == LAST_CHECKPOINT.parent.name else checkpoint.parents[:1]
    return any((folder / RESULTS).is_file() for folder in folders)


def _read(path: Path, hints: Hints) -> dict[str, Any]:
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:
        cause = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(expected="a checkpoint that torch reads", got=f"{path} ({cause})", hint="Give a last.ckpt of a run.") from error
    if not isinstance(checkpoint, dict) or not {"state_dict", "optimizer_states", "loops"} <= set(checkpoint):
        raise InputError(
            expected="a checkpoint of a run, with optimizer and loops",
            got=f"{path} without them",
            hint=hints.weights_alone,
        )
    return checkpoint


def _newest(experiment_folder: Path) -> Path:
    """The folder of the newest checkpoint."""
    found = [path for depth in ("*", "*/*") for path in experiment_folder.glob(f"{depth}/{LAST_CHECKPOINT.with_name('*.ckpt')}")]
    if not found:
        raise InputError(
            expected=f"a run with {LAST_CHECKPOINT} in {experiment_folder}",
            got="none",
            hint="Start one without resume, or give its path.",
        )
    return max(found, key=lambda path: path.stat().st_mtime).parents[1]


def newest_usable(folder: Path) -> Path | None:
    """The checkpoint of a run folder, or of its folder `checkpoints`, that has the most steps; damaged ones are skipped with a warning."""
    inside = folder / LAST_CHECKPOINT.parent
    found: dict[Path, tuple[int, bool, float]] = {}
    for path in (inside if inside.is_dir() else folder).glob("*.ckpt"):
        steps = _steps(path)
        if steps is not None:
            found[path.absolute()] = (steps, path.name == LAST_CHECKPOINT.name, path.stat().st_mtime)
    for path in sorted(found, key=lambda path: found[path], reverse=True):
        if usable(path):
            return path
        _warn_of_damage(path)
    return None


def _steps(checkpoint: Path) -> int | None:
    """The optimizer steps that a checkpoint of a run has had; None if torch cannot open the file, or if it is something else."""
    try:
        content = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)
    except Exception:  # whatever torch raises on what is not a whole checkpoint
        _warn_of_damage(checkpoint)
        return None
    return int(content["global_step"]) if isinstance(content, dict) and {"global_step", "loops"} <= content.keys() else None


def _warn_of_damage(checkpoint: Path) -> None:
    logger.warning("%s is damaged: looking for the checkpoint before it", checkpoint)


def continue_own_folder(config: DictConfig) -> None:
    """Put the newest usable checkpoint of the run's own folder in the place of `resume`. Without one `resume` stays, null as `auto`."""
    checkpoint = newest_usable(Path(config.paths.run))
    config.resume = str(checkpoint or config.resume or AUTO)


def is_finished(config: DictConfig) -> bool:
    """True if `resume=auto` finds the results of as many epochs, or steps, in the run's own folder."""
    results = Path(config.paths.run) / RESULTS
    own = config.resume == AUTO or (config.resume is not None and run_folder_of(Path(config.resume)).resolve() == results.parent.resolve())
    if not own or not results.is_file():
        return False
    done, wanted = read_record(results).training, config.trainer
    epochs, steps = wanted.get("max_epochs") or -1, wanted.get("max_steps") or -1
    limited = epochs > 0 or steps > 0
    return not limited or 0 < epochs <= int(done.get("epochs", 0)) or 0 < steps <= int(done.get("steps", 0))
