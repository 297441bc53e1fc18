"""What a run prints and logs: the console, the log file, and which messages of other packages are left out."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import rich

from vclr_pl.files import errors_name
from vclr_pl.runner.process_launch import process_rank
from vclr_pl.text import READABLE, redacted

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
DATED = "[%(asctime)s][%(name)s][%(levelname)s] %(message)s"  # as conf/hydra/job_logging/plain.yaml
CRITICAL_ONLY = ("hydra.utils", "the cause of a failed import, which our own line says")
LOGGERS = (  # Lightning sets the level of its packages when it is imported, but not of the loggers below them
    ("lightning.pytorch.utilities.rank_zero", "seed, hardware and tips: the start message says what matters"),
    ("pytorch_lightning.utilities.rank_zero", "the same, under its other name"),
    ("lightning_fabric.utilities.rank_zero", "the seed stands in results.json"),
    ("lightning.fabric.utilities.rank_zero", "the same, under its other name"),
    ("torchvision", "nothing for the user of this program"),
)


def warning_filters() -> None:
    """Leave out messages of other packages that do not concern the user's run. Warnings of this package are shown."""
    for pattern, _ in SILENCED:
        warnings.filterwarnings("ignore", message=pattern)
    for name, _ in LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger(CRITICAL_ONLY[0]).setLevel(logging.CRITICAL)


@contextlib.contextmanager
def filters_of_a_call() -> Iterator[None]:
    """`warning_filters` for the block; afterwards warnings and levels are as before."""
    loggers = [logging.getLogger(name) for name in (*(name for name, _ in LOGGERS), CRITICAL_ONLY[0])]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warning_filters()
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


@contextlib.contextmanager
def log_of_a_call(file: str | None) -> Iterator[None]:
    """Log this package's messages to `file`, and to the console unless the program has log handlers of its own, for the block."""
    package = logging.getLogger("vclr_pl")
    level = package.level
    handlers: list[logging.Handler] = [] if logging.getLogger().handlers else [ConsoleHandler()]
    if file is not None:
        handlers.append(LogFile(file))
        handlers[-1].setFormatter(logging.Formatter(DATED))
    package.setLevel(logging.INFO)
    for handler in handlers:
        package.addHandler(handler)
    try:
        yield
    finally:
        package.setLevel(level)
        for handler in handlers:
            package.removeHandler(handler)
            handler.close()


class ConsoleHandler(logging.Handler):
    """Prints each record on one line of rich's console, which the progress bar uses too. Ranks other than 0 print errors only."""

    def format(self, record: logging.LogRecord) -> str:
        return redacted(super().format(record))

    def emit(self, record: logging.LogRecord) -> None:
        if (process_rank() != 0 and record.levelno < logging.ERROR) or getattr(record, "file_only", False):
            return
        style = "yellow" if record.levelno >= logging.WARNING else None
        rich.get_console().print(self.format(record), style=style, soft_wrap=True, markup=False, highlight=False)


class LogFile(logging.FileHandler):
    """The run's log file, with the warnings of ranks other than 0. A write error ends the run; logging's own handler prints a traceback."""

    def __init__(self, filename: str) -> None:
        super().__init__(filename, delay=True, encoding="utf-8", errors=READABLE)

    def emit(self, record: logging.LogRecord) -> None:
        if process_rank() == 0 or record.levelno >= logging.WARNING:
            super().emit(record)

    def format(self, record: logging.LogRecord) -> str:
        return redacted(super().format(record))

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802 (logging's name)
        stream, self.stream = self.stream, None
        if stream is not None:
            with contextlib.suppress(OSError):  # else Python 3.13 tries once more to write what is left, and prints a traceback
                stream.close()
        with errors_name(Path(self.baseFilename)):
            raise  # logging calls this while it handles the error
