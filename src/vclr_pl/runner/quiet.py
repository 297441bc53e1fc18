"""Third-party noise that a default run would show, silenced in this one place, each with its reason."""

from __future__ import annotations

import logging
import warnings

# (message pattern, reason)
SILENCED = (
    (r"The '.*dataloader' does not have many workers", "loader.workers is the user's choice and stands in the config"),
    (r"Experiment logs directory .* exists and is not empty", "the run folder holds Hydra's files before the logger starts"),
    (r"Checkpoint directory .* exists and is not empty", "two checkpoint callbacks share one folder"),
    (r"Total length of `DataLoader` across ranks is zero", "features that another start has read: nothing is left"),
    (r"The number of training batches \(\d+\) is smaller than the logging interval", "small data; Lightning logs the epoch's values"),
    (r"You are trying to `self.log\(\)` but the `self.trainer` reference is not registered", "modules are tried without a trainer"),
    (r"`trainer.fit_loop` .* mid-epoch", "checkpoints are written at the end of an epoch"),
    (r"You set `.*save_last", "last.ckpt has a callback of its own"),
    (r".*_functional_video.*deprecated", "pytorchvideo imports torchvision's video module"),
    (r".*_transforms_video.*deprecated", "pytorchvideo imports torchvision's video module"),
    (r"The video decoding and encoding capabilities of torchvision are deprecated", "pytorchvideo imports torchvision's video module"),
    (r"Found \d+ module\(s\) in eval mode at the start of training", "mode=linear keeps its backbone in evaluation mode"),
    (r".*GPU available but not used", "trainer=cpu was asked for"),
    (r"The `srun` command is available on your system", "a login node of a cluster; SLURM users start the command with srun"),
    (r"The dirpath has changed from", "a resumed run writes into a folder of its own"),
    (r"`broadcast_buffers` is deprecated", "the oldest torch that works here knows no other spelling"),
    (r"`isinstance\(treespec, LeafSpec\)` is deprecated", "Lightning against a newer torch"),
)
CRITICAL_ONLY = ("hydra.utils", "the cause of a failed import, which our own line says")
LOGGERS = (
    ("lightning.pytorch", "seed, hardware and tips: the start message says what matters"),
    ("pytorch_lightning", "the same, under its other name"),
    ("lightning_fabric", "the seed stands in results.json"),
    ("lightning.fabric", "the same, under its other name"),
    ("torchvision", "nothing for the user of this program"),
)


def silence_third_parties() -> None:
    """Filter what is not about the user's run. Warnings of our own code pass."""
    for pattern, _ in SILENCED:
        warnings.filterwarnings("ignore", message=pattern)
    for name, _ in LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger(CRITICAL_ONLY[0]).setLevel(logging.CRITICAL)
