"""What the user reads when something is wrong: one line for bad input, a traceback for a defect of ours."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hydra.errors import HydraException, InstantiationException, MissingConfigException, OverrideParseException
from omegaconf.errors import OmegaConfBaseException

from vclr_pl.files import in_words
from vclr_pl.runner.group import group_names, places_of_groups
from vclr_pl.runner.process_launch import port_in_use
from vclr_pl.runner.suggestion import OPTION, did_you_mean, fitted_hint
from vclr_pl.types import InputError

BAD_INPUT_EXIT_CODE = 2
# errors of packages that are not imported for this: a command that failed early has not imported them
MISCONFIGURATION = "lightning_fabric.utilities.exceptions.MisconfigurationException"
DISTRIBUTED = "torch.distributed.DistError"
OUT_OF_MEMORY = "torch.OutOfMemoryError"
COULD_NOT_OVERRIDE = re.compile(r"Could not (?:override|append to config\.? .*?|delete from config\.?) '([^']+)'")
FROM_WORKER = re.compile(r"^vclr_pl\.types\.InputError: (.*)", re.MULTILINE)  # torch reraises a worker's error as text
WORKERS_SYSTEM_ERROR = re.compile(r"^\w*Error: \[Errno (?P<number>\d+)\] (?P<words>[^:\n]*)(?:: '(?P<file>.*)')?$", re.MULTILINE)
THREE_PARTS = re.compile(r"expected (?P<expected>.*?); got (?P<got>.*?)\. (?P<hint>.*)")
SEVERAL_VALUES = re.compile(r"Ambiguous value for argument '(?P<key>[^'=]+)=(?P<values>[^']*)'")
FULL_KEY = re.compile(r"full_key: (\S+)")


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command, for its error messages.

    Args:
        name: of its file in conf/.
        options: gives every key of the config without one override; called after a mistake only.
    """

    name: str
    options: Callable[[str], Sequence[str]]


def input_error(error: BaseException, *, command: Command) -> InputError | None:
    """The error as an InputError with the same line, or None where its user cannot fix it."""
    if isinstance(error, InputError):
        return _in_the_commands_words(error, command=command, node="")
    line = one_line(error, command=command)
    if line is None:
        return None
    parts = THREE_PARTS.fullmatch(line)
    return InputError(**parts.groupdict()) if parts else InputError(expected="options that fit", got=line, hint="Correct them.")


def one_line(error: BaseException, *, command: Command, node: str = "") -> str | None:
    """The line for an error that the user can fix, or None where only a traceback helps.

    Args:
        error: what was raised, while composing or while running.
        command: the one that failed.
        node: of its config, dotted, in which it did.
    """
    if isinstance(error, InstantiationException) and error.__cause__ is not None:
        return _instantiation_line(error, command=command)
    if isinstance(error, InputError):
        return str(_in_the_commands_words(error, command=command, node=node))
    if isinstance(error, OSError) and (refused := in_words(_with_number(error))) is not None:
        return str(refused)
    if isinstance(error, MissingConfigException):
        return _missing_option_line(error)
    if isinstance(error, OverrideParseException):
        return f"expected key=value, with quotes around special characters; got {error.override}. {_flat(error.message)}"
    if isinstance(error, HydraException):
        return _composition_line(error, command=command)
    if isinstance(error, OmegaConfBaseException) or _is(error, MISCONFIGURATION):
        return _flat(str(error))
    if _is(error, DISTRIBUTED):
        return str(port_in_use(os.environ.get("MASTER_PORT", ""))) if "EADDRINUSE" in str(error) else _flat(str(error))
    if _is(error, OUT_OF_MEMORY):
        hint = "Lower loader.batch_size, or set trainer.precision=bf16-mixed."
        return f"expected a GPU that holds the run; got one that is full. {hint} ({_flat(str(error))})"
    if isinstance(error, RuntimeError) and (found := FROM_WORKER.search(str(error))):
        return _flat(found.group(1))
    return None


def _is(error: BaseException, name: str) -> bool:
    """Whether the error is of a class, or of a subclass, that its full name denotes."""
    return any(f"{kind.__module__}.{kind.__qualname__}" == name for kind in type(error).__mro__)


def _instantiation_line(error: InstantiationException, *, command: Command) -> str | None:
    cause = error.__cause__
    assert cause is not None
    found = FULL_KEY.search(str(error))
    line = one_line(cause, command=command, node=found.group(1) if found else "")
    if line is not None:
        return line
    if not isinstance(cause, TypeError | ValueError):
        return None
    return f"{found.group(1) if found else 'config'}: {_flat(str(cause))}"


def _in_the_commands_words(error: InputError, *, command: Command, node: str) -> InputError:
    if OPTION.search(error.hint) is None:
        return error
    hint = fitted_hint(error.hint, known=command.options(""), places=places_of_groups(command.name), node=node)
    return InputError(expected=error.expected, got=error.got, hint=hint)


def _missing_option_line(error: MissingConfigException) -> str:
    if error.missing_cfg_file is None or not error.options:
        return _flat(str(error))
    group, _, option = error.missing_cfg_file.rpartition("/")
    options = list(error.options)
    return f"expected one of {', '.join(options)} for {group}; got {group}={option}. {did_you_mean(option, options)}"


def _composition_line(error: HydraException, *, command: Command) -> str:
    if several := SEVERAL_VALUES.search(str(error)):
        sweep = f"add -m for a run with each, or write {several['key']}='[{several['values']}]' for a list"
        hint = f"Write a decimal point ({several['key']}={several['values'].replace(',', '.')}), {sweep}."
        return f"expected one value for {several['key']}; got {several['values']}. {hint}"
    found = COULD_NOT_OVERRIDE.search(str(error))
    if found is None:
        cause = f" {error.__cause__}" if isinstance(error.__cause__, OmegaConfBaseException) else ""
        return _flat(f"{error}{cause}")
    key = found.group(1)
    where = re.match(r"In '([^']+)'", str(error))
    got = f"{key}, in {where.group(1)}.yaml" if where else key
    return f"expected a known key or group; got {got}. {_other_key(key, command=command)}"


def _other_key(key: str, *, command: Command) -> str:
    """The hint for a key that this command does not have."""
    groups = places_of_groups(command.name)
    if key in group_names():
        data = "; for a data set: data=NAME" if key == "experiment" and "data" in groups else ""
        return f"{command.name} has no group {key}. Its groups are: {', '.join(sorted(groups))}{data}."
    return did_you_mean(key, {*command.options(key), *groups} - {key})


def _with_number(error: OSError) -> OSError:
    """The error itself, or, where torch reraises a worker's as text, one with the number and the file that the text names."""
    found = WORKERS_SYSTEM_ERROR.search(str(error)) if error.errno is None else None
    return error if found is None else OSError(int(found["number"]), found["words"], found["file"])


def _flat(text: str) -> str:
    return " ".join(text.split())
