"""Runs a task under Hydra: bad input ends in one line on stderr and exit code 2, wherever it shows."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import hydra
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig

from vclr_pl.config_path import config_folder
from vclr_pl.files import drop_output
from vclr_pl.report.record import BROKEN_VIDEOS, listed_error
from vclr_pl.report.wandb_logger import own_wandb_run
from vclr_pl.runner.command_line import hydra_words, place_given_nodes, refuse_absent
from vclr_pl.runner.data_choice import refuse_others_experiment, with_experiment_of_data
from vclr_pl.runner.failure import BAD_INPUT_EXIT_CODE, Command, one_line
from vclr_pl.runner.help import help_topic, print_help
from vclr_pl.runner.precision import settle_precision
from vclr_pl.runner.process_launch import is_sweep, own_processes, process_rank
from vclr_pl.runner.quiet import silence_third_parties
from vclr_pl.runner.resolver import register_resolvers
from vclr_pl.runner.schema import option_names, refuse_unknown_keys
from vclr_pl.text import print_readable, readable
from vclr_pl.types import BrokenVideosError

TRACEBACK_SWITCH = "HYDRA_FULL_ERROR"

Task = Callable[[DictConfig], None]


def run(task: Task, *, config_name: str, arguments: Sequence[str] | None = None) -> int:
    """Compose `conf/<config_name>.yaml` with the command line and do `task` on it, once or for every job of a sweep.

    Args:
        task: gets the composed config, its keys checked.
        config_name: name of the entry point's file in conf/.
        arguments: the command line without the program; `sys.argv` where None.

    Returns:
        The exit code: 0, or 2 for bad input, told in one line on stderr. Other errors, and all errors when HYDRA_FULL_ERROR=1,
        are raised.
    """
    print_readable()
    silence_third_parties()
    register_resolvers()
    wants_traceback = os.environ.get(TRACEBACK_SWITCH)
    command = with_experiment_of_data(sys.argv[1:] if arguments is None else arguments, config_name=config_name)
    command = hydra_words(command, config_name=config_name)

    def job(config: DictConfig) -> None:
        try:
            with _environment(TRACEBACK_SWITCH, wants_traceback), own_processes(), _own_loggers():
                place_given_nodes(config)
                refuse_unknown_keys(config, config_name=config_name)
                settle_precision(config)
                _do(task, config)
        except Exception as error:
            # In a sweep Hydra goes on with the next job and tells at the end; a single run would get Hydra's lines beside ours.
            if is_sweep() or not _tell(error, config_name=config_name, command=command, wants_traceback=wants_traceback):
                raise
            raise SystemExit(BAD_INPUT_EXIT_CODE) from None

    entry = hydra.main(config_path=str(config_folder()), config_name=config_name, version_base="1.3")(job)
    try:
        if (topic := help_topic(command)) is not None:
            return print_help(topic, config_name=config_name, arguments=command)
        refuse_absent(command, config_name=config_name)
        refuse_others_experiment(command, config_name=config_name)
        # Hydra raises instead of printing and leaving with 1 while its own switch is on
        with _environment(TRACEBACK_SWITCH, "1"), _command_line(command):
            entry()
        sys.stdout.flush()
    except Exception as error:
        if not _tell(error, config_name=config_name, command=command, wants_traceback=wants_traceback):
            raise
        return BAD_INPUT_EXIT_CODE
    except SystemExit as ending:
        return ending.code if isinstance(ending.code, int) else int(ending.code is not None)
    return 0


def _do(task: Task, config: DictConfig) -> None:
    try:
        task(config)
    except BrokenVideosError as error:
        raise listed_error(error, file=Path(config.paths.run) / BROKEN_VIDEOS) from error


def _own_loggers() -> contextlib.AbstractContextManager[None]:
    return own_wandb_run() if is_sweep() else contextlib.nullcontext()


def _tell(error: Exception, *, config_name: str, command: Sequence[str], wants_traceback: str | None) -> bool:
    """Print the one line, if there is one for this error and the user has not asked for tracebacks."""
    drop_output()
    if wants_traceback == "1":
        return False
    line = one_line(error, command=Command(name=config_name, options=lambda key: _known_keys(config_name, command, key)))
    if line is not None:
        print(f"{_rank_prefix()}error: {readable(line)}", file=sys.stderr)
    return line is not None


def _known_keys(config_name: str, command: Sequence[str], key: str) -> list[str]:
    """The keys of the config that the rest of the command composes."""
    kept = [part for part in command if "=" in part and not part.startswith("-") and part.lstrip("+~").split("=")[0] != key]
    GlobalHydra.instance().clear()
    for overrides in (kept, []):
        with contextlib.suppress(Exception), hydra.initialize_config_dir(config_dir=str(config_folder()), version_base="1.3"):
            return option_names(hydra.compose(config_name, overrides=overrides))
    return []


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
