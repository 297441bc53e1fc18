"""Which keys a config may have, so that a misspelt one is refused wherever it was written, in an experiment too.

A node with `_target_` may have the parameters of what it calls, which `signature.py` reads from the source where it can. Any other
node may have the keys that the shipped files (experiments aside) give it, and children that are calls themselves. Hydra alone accepts
unknown keys of overlays.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf

from vclr_pl.config_path import config_folder
from vclr_pl.runner.group import HYDRA_KEYS, OVERLAYS, entry_file
from vclr_pl.runner.signature import Signature, allowed_by, signature_of
from vclr_pl.runner.suggestion import did_you_mean
from vclr_pl.types import InputError

ASSEMBLIES = ("module", "datamodule")  # made of other groups, which are checked first and under their own names
MISSING = "???"
Vocabulary = dict[tuple[str, ...], frozenset[str]]
SCALARS: dict[Any, tuple[type, ...]] = {"int": (int,), "float": (int, float), "bool": (bool,), "str": (str,)}


def refuse_unknown_keys(config: DictConfig, *, config_name: str) -> None:
    """Compare every key of a composed config with the allowed keys.

    Args:
        config: as composed from `conf/<config_name>.yaml`.

    Raises:
        InputError: at the first unknown key, with the nearest known ones; at a value of the wrong plain type; at a key
            that still has to be given (`???`).
    """
    content = OmegaConf.to_container(config, resolve=False)  # resolving would import torch
    _check_node(content, path=(), known=_vocabulary(config_name))
    for key in sorted(_missing(content, "")):
        raise InputError(expected=f"a value for {key}", got="none", hint=f"Add {key}={_placeholder(key)} to the command.")


def _missing(node: Any, key: str) -> Iterator[str]:
    """Dotted keys that still have to be given."""
    if node == MISSING:
        yield key
    for name, child in node.items() if isinstance(node, dict) else ():
        yield from _missing(child, f"{key}.{name}".lstrip("."))


def _placeholder(key: str) -> str:
    name = key.rsplit(".", 1)[-1]
    return {"root": "DIR", "path": "FILE", "train": "FILE"}.get(name, "VALUE")


def _check_node(node: Any, *, path: tuple[str, ...], known: Vocabulary) -> None:
    if isinstance(node, list):
        for index, child in enumerate(node):
            _check_node(child, path=(*path, str(index)), known=known)
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
    signature = _signature(node["_target_"], ".".join(path))
    for key, value in node.items():
        if key in HYDRA_KEYS:
            continue
        if key in signature.annotations:
            _check_value(value, annotation=signature.annotations[key], key=".".join((*path, key)))
        elif not signature.takes_any:
            _refuse(path, key, sorted(signature.annotations))


def _check_value(value: Any, *, annotation: str, key: str) -> None:
    """Refuse a value of the wrong plain type, or one that a Literal does not list."""
    types, literals = allowed_by(annotation)
    if value == MISSING or (isinstance(value, str) and "${" in value) or any(name not in SCALARS for name in types):
        return
    if value in literals or not (types or literals):
        return
    allowed = tuple(kind for name in types for kind in SCALARS[name])
    is_stray_bool = isinstance(value, bool) and bool not in allowed
    if not isinstance(value, allowed) or is_stray_bool:
        names = [name for name in literals if isinstance(name, str)]
        hint = did_you_mean(str(value), names) if names else "Correct the value."
        words = [*types, *("None" if literal is None else repr(literal) for literal in literals)]
        raise InputError(expected=f"{key} of type {' or '.join(words)}", got=repr(value), hint=hint)


def _refuse(path: tuple[str, ...], key: str, known: list[str]) -> None:
    prefix = "".join(f"{part}." for part in path)
    raise InputError(
        expected=f"known keys under {'.'.join(path)}" if path else "known keys",
        got=f"{prefix}{key}",
        hint=did_you_mean(f"{prefix}{key}", [f"{prefix}{name}" for name in known]),
    )


@functools.cache
def _signature(target: str, key: str) -> Signature:
    try:
        return signature_of(target)
    except Exception as error:
        cause = " ".join(str(error).split())
        raise InputError(expected=f"something to call at {key}._target_", got=target, hint=f"It cannot be imported: {cause}") from error


@functools.cache
def _vocabulary(config_name: str) -> Vocabulary:
    """Keys of every node that is no call, by path, as the entry point's file and the files of its groups give them."""
    known: dict[tuple[str, ...], set[str]] = {}
    folder, entry = config_folder(), entry_file(config_name)
    _collect(entry, path=(), known=known)
    groups = {str(group) for default in entry.get("defaults", []) if isinstance(default, dict) for group in default}
    groups = {group for group in groups if group not in OVERLAYS and not group.startswith("override ")}
    known[()] |= groups
    for file in sorted(file for group in groups for file in (folder / group).rglob("*.yaml")):
        _collect(yaml.safe_load(file.read_text()) or {}, path=file.relative_to(folder).parent.parts, known=known)
    return {path: frozenset(names) for path, names in known.items()}


def _collect(content: Mapping[str, Any], *, path: tuple[str, ...], known: dict[tuple[str, ...], set[str]]) -> None:
    names = [name for name in content if not (name in ("defaults", "hydra") and isinstance(content[name], dict | list))]
    if "_target_" not in content:
        known.setdefault(path, set()).update(names)
    for name in names:
        if isinstance(content[name], dict):
            _collect(content[name], path=(*path, name), known=known)
