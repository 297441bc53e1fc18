"""The terms of the objective and their weighted sum (VCLR sections 3.2 to 3.4; SeCo, Yao et al. 2021).

Inter-frame, intra-frame and segment contrast, then the temporal order, then the sum with the heads and queues that its terms need.

Legend: B videos, S segments, V positives a query, K queue rows, D projection.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from vclr_pl.op.contrast import (
    ContrastLogits,
    at_least_float32,
    contrast_logits,
    contrast_metrics,
    info_nce,
    pool_negatives,
    positive_logits,
    top1_accuracy,
    unit_norm,
)
from vclr_pl.types import Contrast, InputError, ObjectiveTerms, Projections, TermNeeds, TermOutput

CASES = 4  # of the temporal order


class ContrastWithQueue(nn.Module):
    """InfoNCE of the queries against their positives, with the rows of a queue as negatives.

    A subclass declares `needs` with a queue and the `head_input` `frames` or `tuple_mean`.

    Args:
        weight: factor of this term in the sum.
        temperature: divisor of the cosine similarities.
    """

    needs: ClassVar[TermNeeds]

    def __init__(self, *, weight: float, temperature: float) -> None:
        super().__init__()
        self.weight, self.temperature = weight, temperature

    def logits(self, contrast: Contrast) -> ContrastLogits:
        """All logits over the temperature, `[V, B]` and `[B, K]`; `forward` never stores all negative logits at once."""
        return contrast_logits(
            query_ND=contrast.query,
            positive_VND=_stacked(contrast.key),
            negative_KD=self.rows(contrast),
            temperature=self.temperature,
            masked_NK=contrast.own_video,
        )

    def forward(self, projections: Projections) -> TermOutput:
        contrast = projections.by_head[self.needs.head]
        rows_KD, keys_VBD = self.rows(contrast), _stacked(contrast.key)
        positive_VB = positive_logits(query_ND=contrast.query, positive_VND=keys_VBD, temperature=self.temperature)
        negatives = pool_negatives(query_ND=contrast.query, negative_KD=rows_KD, temperature=self.temperature, masked_NK=contrast.own_video)
        loss = info_nce(positive_VN=positive_VB, negative_logsumexp_N=negatives.logsumexp)
        metrics = contrast_metrics(query_BD=contrast.query, key_BD=keys_VBD[0], queue_KD=rows_KD)
        return TermOutput(loss=loss, metrics={"accuracy": top1_accuracy(positive_VB, negatives.maximum), **metrics})

    def rows(self, contrast: Contrast) -> Tensor:
        """The queue's rows `[K, D]`."""
        if contrast.queue is None:
            raise ValueError(f"{type(self).__name__} needs the rows of the queue {self.needs.queue}, and got none")
        return contrast.queue


class InterFrame(ContrastWithQueue):
    """Inter-frame instance discrimination: the anchor against frames of its own video, frames of other videos as negatives.

    The positives are the anchor's second augmentation and the query frames of the other segments, all from the momentum
    encoder: query `[B, D]`, keys `[S, B, D]`, queue `[K, D]`. S segments give S positives and S B logit rows.
    """

    needs: ClassVar[TermNeeds] = TermNeeds(head="inter", head_input="frames", unit_norm=True, queue="inter")


class SegmentContrast(ContrastWithQueue):
    """Segment contrast, the paper's own term: two tuples of frames of one video are positives.

    Each tuple is one frame of every segment, so that both cover the whole video. The mean of a tuple's features is projected:
    query and key `[B, D]`, queue `[K, D]`.
    """

    needs: ClassVar[TermNeeds] = TermNeeds(head="segment", head_input="tuple_mean", unit_norm=True, queue="segment")


class IntraFrame(nn.Module):
    """Intra-frame discrimination: the anchor against its own second augmentation, frames of the same video as negatives.

    Query `[B, D]`, keys `[S, B, D]`, the second augmentation first. Each of the S - 1 other query frames gives a row of two
    logits, the positive first.

    Args:
        weight: factor of this term in the sum.
        temperature: divisor of the cosine similarities.
    """

    needs: ClassVar[TermNeeds] = TermNeeds(head="intra", head_input="frames", unit_norm=True)
    guess_loss: ClassVar[float] = math.log(2)  # of two equal logits

    def __init__(self, *, weight: float, temperature: float) -> None:
        super().__init__()
        self.weight, self.temperature = weight, temperature

    def logits(self, contrast: Contrast) -> ContrastLogits:
        """Positive `[S - 1, B]` (the same one in each row) and negative `[S - 1, B, 1]`."""
        similarity_SB = (contrast.query * contrast.key).sum(-1) / self.temperature
        others_SB = similarity_SB[1:]
        return ContrastLogits(positive=similarity_SB[:1].expand_as(others_SB), negative=others_SB.unsqueeze(-1))

    def forward(self, projections: Projections) -> TermOutput:
        contrast = projections.by_head[self.needs.head]
        logits = self.logits(contrast)
        other_SB = logits.negative.squeeze(-1)
        loss = info_nce(positive_VN=logits.positive, negative_logsumexp_N=other_SB)
        return TermOutput(loss=loss, metrics={"accuracy": top1_accuracy(logits.positive, other_SB)})


def _stacked(keys: Tensor) -> Tensor:
    return keys if keys.dim() == 3 else keys.unsqueeze(0)


class TemporalOrder(nn.Module):
    """Temporal order regularization: is the query tuple in order, is the key tuple (VCLR section 3.4).

    A linear classifier, part of the objective, reads the projected frames of both tuples, query and key `[B, S, D]` in the order
    shown. The loss is the cross-entropy of four cases: query shuffled + 2 x key shuffled. A shuffled tuple has one of the S! - 2 orders
    that are neither in time nor in reverse, 4 for 3 segments, all equally likely; of 2 segments, it has the reverse.

    Args:
        weight: factor of this term in the sum.
        segments: S, frames of a tuple.
        dim: D of the order head.
        normalize_over: `segment` scales each of the D features to unit norm over the S frames, as the release does (probably
            an error: it mixes the frames whose order is predicted). `feature` scales each frame's feature, probably the intended
            behavior.
    """

    needs: ClassVar[TermNeeds] = TermNeeds(head="order", head_input="tuple", unit_norm=False)
    guess_loss: ClassVar[float] = math.log(CASES)

    def __init__(self, *, weight: float, segments: int, dim: int, normalize_over: Literal["segment", "feature"]) -> None:
        super().__init__()
        if normalize_over not in ("segment", "feature"):
            raise ValueError(f"normalize_over is 'segment' or 'feature', not {normalize_over!r}")
        self.weight = weight
        self.normalized_dim = 1 if normalize_over == "segment" else 2
        self.classifier = nn.Linear(2 * segments * dim, CASES)

    def order_features(self, projected_BSD: Tensor) -> Tensor:
        """`[B, S, D]` to half of the classifier's input, `[B, S D]`."""
        return unit_norm(projected_BSD, dim=self.normalized_dim).flatten(1)

    def logits(self, contrast: Contrast) -> Tensor:
        """`[B, 4]`."""
        both = torch.cat([self.order_features(contrast.query), self.order_features(contrast.key)], dim=1)
        logits_B4: Tensor = self.classifier(both)
        return logits_B4

    def forward(self, projections: Projections) -> TermOutput:
        logits_B4 = at_least_float32(self.logits(projections.by_head[self.needs.head]))
        loss = nn.functional.cross_entropy(logits_B4, projections.order_label)
        accuracy = 100.0 * (logits_B4.detach().argmax(1) == projections.order_label).float().mean()
        return TermOutput(loss=loss, metrics={"accuracy": accuracy})


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
        for name, term in terms.items():
            _require_weight(term, name=name)

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


def _require_weight(term: nn.Module, *, name: str) -> None:
    if not isinstance(_attribute(term, "weight"), int | float):
        raise InputError(
            expected=f"a term with an attribute weight, a number, at objective.terms.{name}",
            got=f"{type(term).__name__} with weight={_attribute(term, 'weight')!r}",
            hint=f"Set self.weight in the class, and objective.terms.{name}.weight=1.0.",
        )


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
