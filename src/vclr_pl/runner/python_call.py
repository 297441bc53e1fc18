"""A command called from Python: keyword arguments become the words of its command line, and it leaves the process as it was."""

from __future__ import annotations

import contextlib
import copy
import os
import re
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.utils import get_method
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from vclr_pl.config_path import config_folder
from vclr_pl.runner.command_line import place_given_nodes, quoted, understood
from vclr_pl.runner.composition import Task, described, do_checked, instantiate_with, register_resolvers
from vclr_pl.runner.failure import input_error
from vclr_pl.runner.log import filters_of_a_call, log_of_a_call
from vclr_pl.runner.moved_path import use_present_paths
from vclr_pl.runner.process_launch import CALLED_FROM_PYTHON
from vclr_pl.runner.run_identity import AUTO
from vclr_pl.runner.schema import refuse_unknown_keys

PLAIN = re.compile(r"(?!(?:null|true|false|nan|inf)$)[A-Za-z_/.][\w/.-]*", re.ASCII | re.IGNORECASE)


def call(task: Task[object] | str, *, config_name: str, options: Mapping[str, Any], overrides: Sequence[str] = ()) -> object:
    """Compose and check a command's config as its command line would be, and do `task` on it.

    Args:
        task: a function of the config, or its dotted name, which is imported once the config is checked.
        config_name: of the command's file in conf/.
        options: values by key; nested mappings are parts of the key, a mapping with `_target_` takes the place of a group.
        overrides: further words of the command line.

    Raises:
        InputError: whatever the command would print as one line.
    """
    words = [*words_of(options), *overrides]
    with (
        _refusals(words, config_name=config_name),
        filters_of_a_call(),
        _interrupts(),
        _marked_as_a_call(),
        _composed(words, config_name=config_name) as (config, log_file),
        log_of_a_call(log_file),
    ):
        if "paths" in config:
            Path(config.paths.run).mkdir(parents=True, exist_ok=True)
        return do_checked(_named(task) if isinstance(task, str) else task, config, config_name=config_name)


def _named(task: str) -> Task[object]:
    return lambda config: get_method(task)(config)


def composed_node(
    node: str, *, config_name: str, options: Mapping[str, Any], overrides: Sequence[str] = (), given: Mapping[str, object] | None = None
) -> object:
    """What one node of a command's config constructs; no run folder is made.

    Args:
        node: key of the node.
        given: arguments as objects, in place of those of the node. The other arguments and the errors are as of `call`.
    """
    words = [*words_of(options), *overrides]
    with _refusals(words, config_name=config_name), filters_of_a_call(), _composed(words, config_name=config_name) as (config, _):
        place_given_nodes(config)
        use_present_paths(config)
        refuse_unknown_keys(config, config_name=config_name)
        made = config[node]
        return instantiate_with(made, **(given or {}))


def words_of(options: Mapping[str, Any], prefix: str = "") -> list[str]:
    """`{"data": {"root": "a b"}, "seed": 1}` as `['data.root="a b"', 'seed=1']`."""
    words = []
    for name, value in options.items():
        if isinstance(value, Mapping) and "_target_" not in value:
            words += words_of(value, prefix=f"{prefix}{name}.")
        else:
            words.append(f"{prefix}{name}={in_grammar(value)}")
    return words


def in_grammar(value: Any) -> str:
    """A value in Hydra's grammar."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | os.PathLike):
        text = os.fspath(value)
        return str(text) if PLAIN.fullmatch(str(text)) else quoted(str(text))
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{name}: {in_grammar(child)}' for name, child in value.items())}}}"
    if isinstance(value, Sequence):
        return f"[{','.join(map(in_grammar, value))}]"
    return str(value)


@contextlib.contextmanager
def _refusals(words: Sequence[str], *, config_name: str) -> Iterator[None]:
    """Errors that the user can fix become InputErrors."""
    try:
        yield
    except Exception as error:
        refusal = input_error(error, command=described(words, config_name=config_name))
        if refusal is None:
            raise
        raise refusal from error


@contextlib.contextmanager
def _composed(words: Sequence[str], *, config_name: str) -> Iterator[tuple[DictConfig, str | None]]:
    """The config, and the path of its log file, with Hydra's state as during a command; afterwards as before."""
    register_resolvers()
    hydra_before, config_before = GlobalHydra.instance().hydra, HydraConfig.instance().cfg
    GlobalHydra.instance().clear()
    try:
        with hydra.initialize_config_dir(config_dir=str(config_folder()), job_name=config_name, version_base="1.3"):
            config = hydra.compose(config_name, overrides=understood(words, config_name=config_name), return_hydra_config=True)
        HydraConfig.instance().set_config(config)
        folder = _run_folder(config)
        with read_write(config.hydra.runtime), open_dict(config.hydra.runtime):
            config.hydra.runtime.output_dir = str(folder)
        HydraConfig.instance().set_config(config)
        log_file = OmegaConf.select(config, "hydra.job_logging.handlers.file.filename")
        task_config = copy.deepcopy(config)
        with read_write(task_config), open_dict(task_config):
            del task_config["hydra"]
        yield task_config, log_file
    finally:
        GlobalHydra.instance().hydra = hydra_before
        HydraConfig.instance().cfg = config_before


def _run_folder(config: DictConfig) -> Path:
    """The run folder; numbered where its name is the time, and another call of the same second has that folder."""
    folder = Path(str(config.hydra.run.dir)).absolute()
    written: Any = OmegaConf.to_container(config.hydra.run, resolve=False)
    if "${now:" not in str(written["dir"]) or config.get("resume") == AUTO:
        return folder
    numbered = (folder if number == 1 else folder.with_name(f"{folder.name}_{number}") for number in range(1, 10_000))
    return next(path for path in numbered if not path.exists())


@contextlib.contextmanager
def _interrupts() -> Iterator[None]:
    """Lightning ignores further interrupts after one and exits: the caller gets a KeyboardInterrupt, and its handler back."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as ending:
        raise KeyboardInterrupt from ending
    finally:
        if in_main_thread and handler is not None:
            signal.signal(signal.SIGINT, handler)


@contextlib.contextmanager
def _marked_as_a_call() -> Iterator[None]:
    token = CALLED_FROM_PYTHON.set(True)
    try:
        yield
    finally:
        CALLED_FROM_PYTHON.reset(token)
