"""Weights go by name: what a file's keys are called here, and what was matched, missing and unused.

Everything inside the package uses the names of `VCLRModule`: `encoder.backbone.*`, `encoder.heads.<head>.*` and
`objective.terms.temporal_order.classifier.*`. Each format is a list of prefixes that stand for these.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from vclr_pl.files import whole_file
from vclr_pl.types import InputError

BACKBONE = "encoder.backbone."
OBJECTIVE = "objective."
CLASSIFIER = "objective.terms.temporal_order.classifier."
HEADS = ("inter", "intra", "order", "segment")
CLASS_HEAD = "fc."  # a classifier of actions or images on the pooled features, which pretraining has no place for

FOREIGN_CLASS = re.compile(r"GLOBAL (\S+)")  # in torch's message

Prefixes = Sequence[tuple[str, str]]  # (theirs, ours), the most specific first; ("", BACKBONE) takes what is left


def head_prefix(head: str) -> str:
    return f"encoder.heads.{head}."


@dataclass(frozen=True)
class KeyReport:
    """Names of this package's parameters and buffers: loaded, not in the file, and in the file but with no place here."""

    matched: tuple[str, ...]
    missing: tuple[str, ...]
    unused: tuple[str, ...]

    def __str__(self) -> str:
        listed = [f"{len(self.matched)} matched"]
        for title, names in (("missing", self.missing), ("unused", self.unused)):
            shown = ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
            listed.append(f"{len(names)} {title}" + (f" ({shown})" if names else ""))
        return "weights: " + "; ".join(listed)


class WeightSource(Protocol):
    """A file of weights in some format."""

    path: str

    def read(self) -> dict[str, Tensor]:
        """Tensors by this package's names."""
        ...

    def load_into(self, module: nn.Module) -> KeyReport:
        """Copy matching tensors into `module` (a `VCLRModule`); report missing and unused ones."""
        ...


def own_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of the query encoder, its heads and the terms of the objective."""
    return {name: tensor for name, tensor in tensors.items() if name.startswith(("encoder.", OBJECTIVE))}


def renamed(tensors: Mapping[str, Tensor], prefixes: Prefixes) -> dict[str, Tensor]:
    """Tensors with the first matching prefix replaced; keys that match none keep their name."""
    result = {}
    for key, tensor in tensors.items():
        theirs, ours = next(((theirs, ours) for theirs, ours in prefixes if key.startswith(theirs)), ("", ""))
        result[ours + key.removeprefix(theirs)] = tensor
    return result


def reversed_prefixes(prefixes: Prefixes) -> Prefixes:
    return [(ours, theirs) for theirs, ours in prefixes]


def load_by_name(module: nn.Module, tensors: Mapping[str, Tensor], *, path: str) -> KeyReport:
    """Copy `tensors` (this package's names) into `module` where name and shape agree.

    Raises:
        InputError: when the backbone is not complete, or a tensor of the same name has another shape.
    """
    own = own_names(module.state_dict())
    matched = [name for name in own if name in tensors]
    missing = [name for name in own if name not in tensors]
    _refuse_incomplete_backbone(own, missing, path=path)
    _refuse_larger_backbone(own, tensors, path=path)
    for name in matched:
        if own[name].shape != tensors[name].shape:
            raise InputError(
                expected=f"{name} of shape {tuple(own[name].shape)}",
                got=f"{tuple(tensors[name].shape)} in {path}",
                hint="Choose the backbone and head sizes that the file was trained with (backbone=..., head.dim=...).",
            )
    with torch.no_grad():
        for name in matched:
            own[name].copy_(tensors[name])
    return KeyReport(matched=tuple(matched), missing=tuple(missing), unused=tuple(name for name in tensors if name not in own))


def _refuse_incomplete_backbone(own: Mapping[str, Tensor], missing: Sequence[str], *, path: str) -> None:
    backbone = [name for name in own if name.startswith(BACKBONE)]
    absent = [name for name in missing if name.startswith(BACKBONE) and not name.endswith("num_batches_tracked")]
    if absent:
        raise InputError(
            expected=f"all {len(backbone)} backbone tensors in {path}",
            got=f"{len(absent)} of them missing, the first {absent[0]}",
            hint="Choose the backbone that the file holds (backbone=...), or another weight format (weight=...).",
        )


def _refuse_larger_backbone(own: Mapping[str, Tensor], tensors: Mapping[str, Tensor], *, path: str) -> None:
    """A deeper network of the same family holds all names of a shallower one, and would pass as it."""
    odd = [name for name in tensors if name.startswith(BACKBONE + "layer") and name not in own]
    if odd:
        raise InputError(
            expected=f"the backbone of {path}, which has {odd[0].removeprefix(BACKBONE)}",
            got=f"a smaller one, without {len(odd)} of its tensors",
            hint="Choose the backbone that the file holds (backbone=...).",
        )


def tensors_of(content: Any, *, path: str) -> dict[str, Tensor]:
    """`content` if it is a state dict.

    Raises:
        InputError: when it is anything but tensors by name.
    """
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        kind = type(content).__name__ if not isinstance(content, Mapping) else "other things among them"
        raise InputError(expected=f"tensors by name in {path}", got=kind, hint="Choose the form that the file has.")
    return {str(key): value for key, value in content.items()}


def read_safely(path: str, *, allowed: Sequence[type] = ()) -> Any:
    """A `.pth` without executing anything from it: tensors, containers, and the classes in `allowed`.

    Raises:
        InputError: when the file is absent, is no torch file, or holds other classes (which are never run).
    """
    try:
        with torch.serialization.safe_globals(list(allowed)):
            return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(expected="a file of weights", got=f"no file at {path}", hint="Correct the path.") from None
    except Exception as error:  # torch raises several kinds for a file that is none of its own
        raise InputError(
            expected=f"a torch file of tensors at {path}",
            got=f"one that cannot be read safely ({_cause(error)})",
            hint="Nothing in it was executed. Save a plain state dict, or convert the file on a machine where you trust it.",
        ) from error


def _cause(error: Exception) -> str:
    """torch's own words would have its reader run the file."""
    if isinstance(error, pickle.UnpicklingError):
        found = FOREIGN_CLASS.search(str(error))
        return f"it would run {found.group(1)}" if found else "no torch file"
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def save_atomically(content: Any, path: str) -> None:
    """Write a torch file atomically."""
    with whole_file(Path(path)) as draft, draft.open("wb") as file:
        torch.save(content, file)
