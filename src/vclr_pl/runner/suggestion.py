"""Which name a misspelt one was probably meant to be."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest_names(name: str, known: Iterable[str], *, count: int = 3) -> list[str]:
    """At most `count` names of `known` that resemble `name`, the nearest first.

    Dotted keys are compared as wholes and by their last part, so that `loader.batchsize` finds `loader.batch_size` and a
    forgotten group does too.
    """
    candidates = sorted(set(known))
    ratios = {candidate: _likeness(name, candidate) for candidate in candidates}
    best = sorted(candidates, key=lambda candidate: -ratios[candidate])[:count]
    return [candidate for candidate in best if ratios[candidate] >= 0.6]


def _likeness(name: str, candidate: str) -> float:
    whole = difflib.SequenceMatcher(None, name, candidate).ratio()
    last = difflib.SequenceMatcher(None, name.rsplit(".", 1)[-1], candidate.rsplit(".", 1)[-1]).ratio()
    return max(whole, 0.5 * (whole + last))


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A sentence that names the nearest names, or all of them where none is near and they are few."""
    names = list(known)
    near = nearest_names(name, names)
    if near:
        return f"Did you mean {' or '.join(near)}?"
    return f"There are: {', '.join(sorted(set(names)))}." if 0 < len(set(names)) <= 40 else "See --cfg job for all keys."
