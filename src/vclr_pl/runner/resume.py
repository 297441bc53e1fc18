"""Which checkpoint `resume=` means, and whether it is one of this run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from vclr_pl.report.record import RESULTS
from vclr_pl.store import LOCK, FolderLock
from vclr_pl.types import InputError

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
    if resume is None:
        return None
    if resume == LAST:
        return _newest(experiment_folder)
    path = Path(resume)
    if path.is_dir():
        path = path / LAST_CHECKPOINT if (path / LAST_CHECKPOINT).is_file() else path / LAST_CHECKPOINT.name
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
    found = [path for depth in ("*", "*/*") for path in experiment_folder.glob(f"{depth}/{LAST_CHECKPOINT}")]
    if not found:
        raise InputError(
            expected=f"a run with {LAST_CHECKPOINT} in {experiment_folder}",
            got="none",
            hint="Start one without resume, or give its path.",
        )
    return max(found, key=lambda path: path.stat().st_mtime).absolute()
