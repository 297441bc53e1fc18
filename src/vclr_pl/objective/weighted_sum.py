"""The objective: a weighted sum of terms, and the heads and queues that its terms need."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from vclr_pl.types import InputError, ObjectiveTerms, Projections, TermNeeds


class WeightedSum(nn.Module):
    """Sum of the terms' losses, each times its own weight (1 for all four in the paper).

    A term is a module with attributes `needs` (a `TermNeeds`) and `weight`, which takes `Projections` and returns a `TermOutput`.

    Args:
        terms: terms by name. Removing a term is an ablation, which also removes its head and its queue.

    Raises:
        InputError: no term is left, a term declares no needs, or two terms need one head or one queue in different ways.
    """

    def __init__(self, *, terms: Mapping[str, nn.Module]) -> None:
        super().__init__()
        if not terms:
            raise InputError(expected="at least one term in the objective", got="none", hint="Keep one under objective.terms.")
        self.terms = nn.ModuleDict(dict(terms))
        self.needs = _merged({name: _needs_of(term, name=name) for name, term in terms.items()})

    @property
    def heads(self) -> tuple[str, ...]:
        """Names of the heads that the terms read, in the order of the terms."""
        return tuple(self.needs)

    @property
    def queues(self) -> dict[str, TermNeeds]:
        """What fills each queue: the needs of the terms that contrast with it, by the name of the queue."""
        return {needs.queue: needs for needs in self.needs.values() if needs.queue is not None}

    def forward(self, projections: Projections) -> ObjectiveTerms:
        outputs = {name: term(projections) for name, term in self.terms.items()}
        weighted: list[Tensor] = [_attribute(self.terms[name], "weight") * output.loss for name, output in outputs.items()]
        return ObjectiveTerms(total=sum(weighted[1:], weighted[0]), terms=outputs)


def _needs_of(term: nn.Module, *, name: str) -> TermNeeds:
    needs = _attribute(term, "needs")
    if not isinstance(needs, TermNeeds):
        raise InputError(
            expected=f"a term with an attribute needs, a vclr_pl.types.TermNeeds, at objective.terms.{name}",
            got=f"{type(term).__name__} {'without it' if needs is None else f'with needs={needs!r}'}",
            hint="Declare it in the class; docs/extending.md has an example.",
        )
    return needs


def _merged(needs_of_terms: Mapping[str, TermNeeds]) -> dict[str, TermNeeds]:
    """Needs by the name of the head. Terms may share a head, with one queue at most."""
    by_head: dict[str, TermNeeds] = {}
    for name, needs in needs_of_terms.items():
        known = by_head.get(needs.head, needs)
        queue = known.queue or needs.queue
        if (known.head_input, known.unit_norm) != (needs.head_input, needs.unit_norm) or queue != (needs.queue or queue):
            raise InputError(
                expected=f"terms that use the head {needs.head} in one way ({known})",
                got=f"{needs} of {name}",
                hint="Give one another head.",
            )
        by_head[needs.head] = known if needs.queue is None else needs
    queues = [needs.queue for needs in by_head.values() if needs.queue is not None]
    if twice := next((queue for queue in queues if queues.count(queue) > 1), None):
        raise InputError(
            expected="a queue with the keys of one head", got=f"{twice} with those of several", hint="Give each head a queue of its own."
        )
    return by_head


def _attribute(term: nn.Module, name: str) -> Any:
    return getattr(term, name, None)
