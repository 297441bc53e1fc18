"""What is left of the epoch inside which a checkpoint was written, in batches of the present size.

An epoch is an order of videos. A run that continues with another batch size, number of devices or of accumulated batches takes the videos
that are left; those that do not fill a batch are left for another epoch, as in every epoch.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class EpochRest:
    """Batches of one device. `done` counts what is before the rest, so that the last batch has the number that it has in other epochs."""

    done: int
    left: int

    def steps(self, *, accumulated_batches: int) -> int:
        """Optimizer steps that are left."""
        return -(-(self.done + self.left) // accumulated_batches) - self.done // accumulated_batches if self.left else 0


def epoch_rest(checkpoint: MutableMapping[str, Any], *, batches: int, data: Any) -> EpochRest | None:
    """The rest of the epoch; None for a checkpoint that was written between epochs.

    Args:
        batches: of a whole epoch, on one device.
        data: the data module.
    """
    loop = checkpoint.get("loops", {}).get("fit_loop", {})
    epochs = loop.get("epoch_progress", {}).get("current", {})
    loaders = loop.get("state_dict", {}).get("combined_loader", [])
    if not loaders or not epochs["processed"] < epochs["started"]:
        return None
    done = min(batches, data.batches_per_epoch - data.batches_after(videos_seen(loaders[0])))
    return EpochRest(done=done, left=batches - done)


def videos_seen(loader_state: MutableMapping[str, int]) -> int:
    """Videos of the epoch that the loaders of all ranks have returned. A state of 0.1.0 has the number of batches."""
    return loader_state.get("seen", loader_state["position"] * loader_state["global_batch_size"])


def count_batches_of(rest: EpochRest, checkpoint: MutableMapping[str, Any]) -> None:
    """Count the batches of the epoch in the present size, before Lightning restores its loops.

    The last batch counts as completed. Lightning saves within its hook, before it counts it, and after the last batch of an epoch it would
    leave out the callbacks of the epoch's end.
    """
    loop = checkpoint["loops"]["fit_loop"]
    progress = loop["epoch_loop.batch_progress"]
    uncounted = progress["total"]["processed"] - progress["total"]["completed"]
    progress["total"]["completed"] = progress["total"]["processed"]
    progress["current"].update(ready=rest.done, started=rest.done, processed=rest.done, completed=rest.done)
    progress["is_last_batch"] = not rest.left
    loop["epoch_loop.state_dict"]["_batches_that_stepped"] += uncounted
