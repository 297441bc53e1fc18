"""What the user reads when something is wrong: one line for bad input, a traceback for a defect of ours."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence

import torch
from hydra.errors import HydraException, InstantiationException, MissingConfigException, OverrideParseException
from lightning_fabric.utilities.exceptions import MisconfigurationException
from omegaconf.errors import OmegaConfBaseException

from vclr_pl.runner.schema import group_names
from vclr_pl.runner.suggestion import did_you_mean
from vclr_pl.runner.trainer import port_in_use
from vclr_pl.system_error import in_words
from vclr_pl.types import InputError

BAD_INPUT_EXIT_CODE = 2
COULD_NOT_OVERRIDE = re.compile(r"Could not (?:override|append to config\.? .*?|delete from config\.?) '([^']+)'")
FROM_WORKER = re.compile(r"^vclr_pl\.types\.InputError: (.*)", re.MULTILINE)  # torch reraises a worker's error as text
WORKERS_SYSTEM_ERROR = re.compile(r"^\w*Error: \[Errno (?P<number>\d+)\] (?P<words>[^:\n]*)(?:: '(?P<file>.*)')?$", re.MULTILINE)
FULL_KEY = re.compile(r"full_key: (\S+)")

KnownKeys = Callable[[str], Sequence[str]]


def one_line(error: BaseException, *, known_keys: KnownKeys) -> str | None:
    """The line for an error that its user can mend, or None where only a traceback helps.

    Args:
        error: what was raised, while composing or while running.
        known_keys: every key of the config without the override that it is given; called for a misspelt key alone.
    """
    if isinstance(error, InstantiationException) and error.__cause__ is not None:
        return _instantiation_line(error, known_keys=known_keys)
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, OSError) and (refused := in_words(_with_number(error))) is not None:
        return str(refused)
    if isinstance(error, MissingConfigException):
        return _missing_option_line(error)
    if isinstance(error, OverrideParseException):
        return f"expected key=value, with quotes around special characters; got {error.override}. {_flat(error.message)}"
    if isinstance(error, HydraException):
        return _composition_line(error, known_keys=known_keys)
    if isinstance(error, OmegaConfBaseException | MisconfigurationException):
        return _flat(str(error))
    if isinstance(error, torch.distributed.DistError):
        return str(port_in_use(os.environ.get("MASTER_PORT", ""))) if "EADDRINUSE" in str(error) else _flat(str(error))
    if isinstance(error, torch.OutOfMemoryError):
        remedy = "Lower loader.batch_size, or set trainer.precision=bf16-mixed."
        return f"expected a GPU that holds the run; got one that is full. {remedy} ({_flat(str(error))})"
    if isinstance(error, RuntimeError) and (found := FROM_WORKER.search(str(error))):
        return _flat(found.group(1))
    return None


def _instantiation_line(error: InstantiationException, *, known_keys: KnownKeys) -> str | None:
    cause = error.__cause__
    assert cause is not None
    line = one_line(cause, known_keys=known_keys)
    if line is not None:
        return line
    if not isinstance(cause, TypeError | ValueError):
        return None
    found = FULL_KEY.search(str(error))
    return f"{found.group(1) if found else 'config'}: {_flat(str(cause))}"


def _missing_option_line(error: MissingConfigException) -> str:
    if error.missing_cfg_file is None or not error.options:
        return _flat(str(error))
    group, _, option = error.missing_cfg_file.rpartition("/")
    options = list(error.options)
    return f"expected one of {', '.join(options)} for {group}; got {group}={option}. {did_you_mean(option, options)}"


def _composition_line(error: HydraException, *, known_keys: KnownKeys) -> str:
    found = COULD_NOT_OVERRIDE.search(str(error))
    if found is None:
        cause = f" {error.__cause__}" if isinstance(error.__cause__, OmegaConfBaseException) else ""
        return _flat(f"{error}{cause}")
    key = found.group(1)
    where = re.match(r"In '([^']+)'", str(error))
    told = f"{key}, in {where.group(1)}.yaml" if where else key
    return f"expected a known key or group; got {told}. {did_you_mean(key, [*known_keys(key), *group_names()])}"


def _with_number(error: OSError) -> OSError:
    """The error itself, or, where torch reraises a worker's as text, one with the number and the file that the text names."""
    found = WORKERS_SYSTEM_ERROR.search(str(error)) if error.errno is None else None
    return error if found is None else OSError(int(found["number"]), found["words"], found["file"])


def _flat(text: str) -> str:
    return " ".join(text.split())
