"""Which keys a config may have, so that a misspelt one is refused wherever it was written, in an experiment too.

A node with `_target_` may have the parameters of what it calls. Any other node may have the keys that the shipped files
(experiments aside) give it, and children that are calls themselves. Hydra alone lets unknown keys of overlays pass.
"""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Iterator
from typing import Any

from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf

from vclr_pl.config_path import config_folder
from vclr_pl.runner.suggestion import did_you_mean
from vclr_pl.types import InputError

HYDRA_KEYS = ("_target_", "_partial_", "_convert_", "_recursive_", "_args_")
OVERLAYS = ("experiment", "debug", "hydra")
ASSEMBLIES = ("module", "datamodule")  # made of other groups, which are checked first and under their own names
MISSING = "???"
Vocabulary = dict[tuple[str, ...], frozenset[str]]
SCALARS: dict[Any, tuple[type, ...]] = {"int": (int,), "float": (int, float), "bool": (bool,), "str": (str,)}


def refuse_unknown_keys(config: DictConfig, *, config_name: str) -> None:
    """Compare every key of a composed config with what may stand there.

    Args:
        config: as composed from `conf/<config_name>.yaml`.

    Raises:
        InputError: at the first unknown key, with the nearest known ones; at a value of the wrong plain type; at a key
            that still has to be given (`???`).
    """
    _check_node(OmegaConf.to_container(config, resolve=True), path=(), known=_vocabulary(config_name))
    for key in sorted(OmegaConf.missing_keys(config)):
        raise InputError(expected=f"a value for {key}", got="none", hint=f"Add {key}={_placeholder(key)} to the command.")


def _placeholder(key: str) -> str:
    name = key.rsplit(".", 1)[-1]
    return {"root": "DIR", "path": "FILE", "train": "FILE"}.get(name, "VALUE")


def group_names() -> list[str]:
    """The groups of conf/, nested ones with a slash."""
    folder = config_folder()
    return sorted({file.parent.relative_to(folder).as_posix() for file in folder.rglob("*.yaml")} - {"."})


def option_names(config: DictConfig) -> list[str]:
    """Every key of a composed config that a user may set, dotted, in order; Hydra's own keys aside."""
    return list(_dotted(OmegaConf.to_container(config, resolve=False), ""))


def _dotted(node: Any, prefix: str) -> Iterator[str]:
    for key, value in node.items() if isinstance(node, dict) else ():
        if key in HYDRA_KEYS:
            continue
        if isinstance(value, dict) and value:
            yield from _dotted(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def _check_node(node: Any, *, path: tuple[str, ...], known: Vocabulary) -> None:
    if isinstance(node, list):
        for place, child in enumerate(node):
            _check_node(child, path=(*path, str(place)), known=known)
    if not isinstance(node, dict):
        return
    if "_target_" in node:
        _check_call(node, path=path)
    else:
        _check_container(node, path=path, known=known.get(path, frozenset()))
    for key in sorted(node, key=lambda name: not path and name in ASSEMBLIES):
        _check_node(node[key], path=(*path, str(key)), known=known)


def _check_container(node: dict[str, Any], *, path: tuple[str, ...], known: frozenset[str]) -> None:
    if not known and path and not any(isinstance(child, dict) and "_target_" in child for child in node.values()):
        return  # a plain mapping given to a constructor
    for key, child in node.items():
        is_call = isinstance(child, dict) and "_target_" in child
        if key not in known and not is_call:
            siblings = known | {name for name, value in node.items() if isinstance(value, dict) and "_target_" in value}
            _refuse(path, key, sorted(siblings))


def _check_call(node: dict[str, Any], *, path: tuple[str, ...]) -> None:
    parameters = _parameters(node["_target_"], ".".join(path))
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    for key, value in node.items():
        if key in HYDRA_KEYS:
            continue
        if key not in parameters:
            _refuse(path, key, sorted(parameters))
        _check_scalar(value, annotation=parameters[key].annotation, key=".".join((*path, key)))


def _check_scalar(value: Any, *, annotation: Any, key: str) -> None:
    choices = _choices(annotation)
    plain = [choice for choice in choices if choice != "None"]
    if value == MISSING or not plain or not all(choice in SCALARS for choice in plain) or (value is None and "None" in choices):
        return
    allowed = tuple(kind for choice in plain for kind in SCALARS[choice])
    is_stray_bool = isinstance(value, bool) and bool not in allowed
    if not isinstance(value, allowed) or is_stray_bool:
        raise InputError(expected=f"{key} of type {' or '.join(choices)}", got=repr(value), hint="Correct the value.")


def _choices(annotation: Any) -> list[str]:
    """Names of the types that an annotation allows: `int | None`, as text or as an object, to `int`, `None`."""
    if isinstance(annotation, str):
        return [part.strip() for part in annotation.split("|")]
    parts = typing.get_args(annotation) or (annotation,)
    return ["None" if part is type(None) else getattr(part, "__name__", str(part)) for part in parts]


def _refuse(path: tuple[str, ...], key: str, known: list[str]) -> None:
    prefix = "".join(f"{part}." for part in path)
    raise InputError(
        expected=f"known keys under {'.'.join(path)}" if path else "known keys",
        got=f"{prefix}{key}",
        hint=did_you_mean(f"{prefix}{key}", [f"{prefix}{name}" for name in known]),
    )


@functools.cache
def _parameters(target: str, key: str) -> dict[str, inspect.Parameter]:
    try:
        called = get_object(target)
    except Exception as error:
        cause = " ".join(str(error).split())
        raise InputError(expected=f"something to call at {key}._target_", got=target, hint=f"It cannot be imported: {cause}") from error
    return {name: parameter for name, parameter in inspect.signature(called).parameters.items() if name != "self"}


@functools.cache
def _vocabulary(config_name: str) -> Vocabulary:
    """Keys of every node that is no call, by path, as the entry point's file and the files of its groups give them."""
    known: dict[tuple[str, ...], set[str]] = {}
    folder = config_folder()
    entry = OmegaConf.load(folder / f"{config_name}.yaml")
    assert isinstance(entry, DictConfig)
    _collect(entry, path=(), known=known)
    groups = {str(group) for default in entry.get("defaults", []) if isinstance(default, DictConfig) for group in default}
    groups = {group for group in groups if group not in OVERLAYS and not group.startswith("override ")}
    known[()] |= groups
    for file in sorted(file for group in groups for file in (folder / group).rglob("*.yaml")):
        content = OmegaConf.load(file)
        assert isinstance(content, DictConfig)
        _collect(content, path=file.relative_to(folder).parent.parts, known=known)
    return {path: frozenset(names) for path, names in known.items()}


def _collect(node: DictConfig, *, path: tuple[str, ...], known: dict[tuple[str, ...], set[str]]) -> None:
    content: Any = OmegaConf.to_container(node, resolve=False)
    names = [name for name in content if not (name in ("defaults", "hydra") and isinstance(content[name], dict | list))]
    if "_target_" not in content:
        known.setdefault(path, set()).update(names)
    for name in names:
        child = node._get_node(name)
        if isinstance(child, DictConfig) and not child._is_interpolation() and not child._is_none() and not child._is_missing():
            _collect(child, path=(*path, name), known=known)
