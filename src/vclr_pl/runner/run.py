"""Runs a command under Hydra: bad input is one line on stderr and exit code 2, wherever it is found.

Nothing is imported before the command line is understood that imports torch or Lightning: help, completion and refusals are fast.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from vclr_pl.config_path import config_folder
from vclr_pl.files import drop_output
from vclr_pl.report.record import CONFIG_FILE, RUN_PAGE
from vclr_pl.runner.command_line import understood
from vclr_pl.runner.composition import Task, described, do_checked, register_resolvers
from vclr_pl.runner.failure import BAD_INPUT_EXIT_CODE, one_line
from vclr_pl.runner.help import VERSION, help_topic, print_help, version_line
from vclr_pl.runner.log import warning_filters
from vclr_pl.runner.process_launch import EndedWithAnotherRankError, is_sweep, process_rank, with_sweep
from vclr_pl.runner.stopping import last_word, stopped_exit_code
from vclr_pl.stop import Stopped, is_listening, listening, stop_if_requested
from vclr_pl.store import LOCK, FolderLock
from vclr_pl.text import print_readable, readable, redacted

TRACEBACK_SWITCH = "HYDRA_FULL_ERROR"
CTRL_C = "\nstopping as soon as nothing is lost; Ctrl-C again ends at once\n"


def run(task: Task[object], *, config_name: str, arguments: Sequence[str] | None = None) -> int:
    """Compose `conf/<config_name>.yaml` with the command line and do `task` on it, once or for every job of a sweep.

    Args:
        task: gets the composed config, its keys checked. An integer that it returns is the exit code.
        config_name: name of the entry point's file in conf/.
        arguments: the command line without the program; `sys.argv` where None.

    Returns:
        The exit code: 0; 2 for bad input, with one line on stderr; 143 or 130 after SIGTERM or Ctrl-C. Other errors, and all errors
        when HYDRA_FULL_ERROR=1, are raised.
    """
    try:
        with_sweep()
        with listening(answer="" if process_rank() else CTRL_C, until_exit=arguments is None):
            return _run(task, config_name=config_name, words=sys.argv[1:] if arguments is None else arguments)
    except Stopped as stopped:
        return stopped_exit_code(stopped)


def _run(task: Task[object], *, config_name: str, words: Sequence[str]) -> int:
    print_readable()
    warning_filters()
    register_resolvers()
    wants_traceback = os.environ.get(TRACEBACK_SWITCH)
    try:
        if any(word in VERSION for word in words):
            print(version_line(), flush=True)
            return 0
        if (topic := help_topic(words)) is not None:
            return print_help(topic, config_name=config_name, arguments=words)
        words = understood(words, config_name=config_name)
        job = _job(task, config_name=config_name, words=words, wants_traceback=wants_traceback)
        entry = hydra.main(config_path=str(config_folder()), config_name=config_name, version_base="1.3")(job)
        # With its own switch on, Hydra raises errors instead of printing them and exiting with 1.
        with _environment(TRACEBACK_SWITCH, "1"), _command_line(words):
            entry()
        sys.stdout.flush()
    except Exception as error:
        if not _print_line(error, config_name=config_name, words=words, wants_traceback=wants_traceback):
            raise
        return BAD_INPUT_EXIT_CODE
    except SystemExit as ending:
        return ending.code if isinstance(ending.code, int) else int(ending.code is not None)
    return 0


def _job(task: Task[object], *, config_name: str, words: Sequence[str], wants_traceback: str | None) -> Callable[[DictConfig], None]:
    """What Hydra calls for each job: the task, whose failure ends the process, or is raised to a sweep."""

    def job(config: DictConfig) -> None:
        with _listening_in_array():
            done(config)

    def done(config: DictConfig) -> None:
        try:
            stop_if_requested()
            with _environment(TRACEBACK_SWITCH, wants_traceback):
                code = do_checked(task, config, config_name=config_name)
        except EndedWithAnotherRankError as ended:
            if is_sweep():
                raise
            raise SystemExit(last_word(ended.failure)) from None
        except Exception as error:
            # Hydra continues a sweep after an error and reports it at the end; after a single job it would print lines of its own.
            if is_sweep() or not _print_line(error, config_name=config_name, words=words, wants_traceback=wants_traceback):
                raise
            remove_folder_of_refused()
            raise SystemExit(BAD_INPUT_EXIT_CODE) from None
        if isinstance(code, int) and code:
            raise SystemExit(code)

    return job


@contextlib.contextmanager
def _listening_in_array() -> Iterator[None]:
    """Signals stop a job of an array as they stop a command: hydra-submitit-launcher calls the job without `run`."""
    if is_listening():
        yield
        return
    try:
        with listening():
            yield
    except Stopped as stopped:
        raise SystemExit(stopped_exit_code(stopped)) from None


def remove_folder_of_refused() -> None:
    """Remove a run folder that contains nothing but the log and the config, and the folders above it that are empty then."""
    hydra_config = HydraConfig.get()
    folder, own = Path(hydra_config.runtime.output_dir), {f"{hydra_config.job.name}.log", CONFIG_FILE, LOCK, RUN_PAGE}
    if process_rank() or not folder.is_dir() or {path.name for path in folder.iterdir()} - own or _is_in_use(folder):
        return
    root_logger = logging.getLogger()
    for handler in [
        one for one in root_logger.handlers if isinstance(one, logging.FileHandler) and Path(one.baseFilename).parent == folder
    ]:
        root_logger.removeHandler(handler)  # it would open the file anew for what this process logs later
        handler.close()
    for name in own:
        (folder / name).unlink(missing_ok=True)
    for emptied in (folder, *folder.parents[:2]):
        try:
            emptied.rmdir()
        except OSError:  # it contains other runs, or it is the working directory
            return


def _is_in_use(folder: Path) -> bool:
    """True if another command trains in the folder: this one was refused for it."""
    lock = FolderLock(folder)
    try:
        is_free = lock.acquired()
    except OSError:  # a full disk has no room for a lock of our own
        return (folder / LOCK).is_file()
    lock.release()
    return not is_free


def _print_line(error: Exception, *, config_name: str, words: Sequence[str], wants_traceback: str | None) -> bool:
    """Print the line of this error; False where there is none, or where the user asks for tracebacks."""
    drop_output()
    if wants_traceback == "1":
        return False
    line = one_line(error, command=described(words, config_name=config_name))
    if line is not None:
        print(f"{_rank_prefix()}error: {redacted(readable(line))}", file=sys.stderr)
    return line is not None


def _rank_prefix() -> str:
    rank = process_rank()
    return f"[rank {rank}] " if rank else ""


@contextlib.contextmanager
def _environment(name: str, value: str | None) -> Iterator[None]:
    before = os.environ.get(name)
    _set_variable(name, value)
    try:
        yield
    finally:
        _set_variable(name, before)


def _set_variable(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


@contextlib.contextmanager
def _command_line(arguments: Sequence[str]) -> Iterator[None]:
    before = sys.argv
    sys.argv = [before[0], *arguments]
    try:
        yield
    finally:
        sys.argv = before
