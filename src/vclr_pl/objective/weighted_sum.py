"""The objective: a weighted sum of terms, each of which names the head and the queue that it reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from vclr_pl.types import InputError, ObjectiveTerms, Projections


class WeightedSum(nn.Module):
    """Sum of the terms' losses, each times its own weight (1 for all four in the paper).

    Args:
        terms: terms by name; removing one is an ablation, and takes its head and its queue along.

    Raises:
        InputError: when no term is left.
    """

    def __init__(self, *, terms: Mapping[str, nn.Module]) -> None:
        super().__init__()
        if not terms:
            raise InputError(expected="at least one term in the objective", got="none", hint="Keep one under objective.terms.")
        self.terms = nn.ModuleDict(dict(terms))

    @property
    def heads(self) -> tuple[str, ...]:
        """Names of the heads that some term reads, in order of the terms."""
        return tuple(dict.fromkeys(_attribute(term, "head") for term in self.terms.values()))

    @property
    def queues(self) -> tuple[str, ...]:
        """Names of the queues that some term reads."""
        return tuple(dict.fromkeys(name for term in self.terms.values() if (name := _attribute(term, "queue")) is not None))

    def forward(self, projections: Projections) -> ObjectiveTerms:
        outputs = {name: term(projections) for name, term in self.terms.items()}
        weighted: list[Tensor] = [_attribute(self.terms[name], "weight") * output.loss for name, output in outputs.items()]
        return ObjectiveTerms(total=sum(weighted[1:], weighted[0]), terms=outputs)


def _attribute(term: nn.Module, name: str) -> Any:
    return getattr(term, name)
