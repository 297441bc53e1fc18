"""The end of a pretraining run in a few lines: whether the encoder learned, what the run took, and the next commands."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vclr_pl.report.record import RANDOM_INITIALIZATION
from vclr_pl.report.tables import metric_title

LEARNING, COLLAPSING, TOO_SHORT, NOT_LEARNING = "learning", "collapsing", "too short to say", "not learning"
WORSE, SAME = "worse than its start", "as good as its start"
READINGS = 5  # averaged at the start and at the end: single batches scatter
COLLAPSED_RANK = 2.0  # RankMe; one direction holds nearly everything
STANDARD_ERRORS = 2.0
OTHER_ACCURACIES = ("knn_top1", "linear_top1", "logistic_top1")  # of a run that starts from weights, without R@1
SHOWN = ("retrieval_r1", "knn_top1", "copy_top1", "rank_me")  # of a run that starts from weights, in the summary
RISE_PERCENT = 5.0  # of the accuracy within the batch, in points


@dataclass(frozen=True, kw_only=True)
class Term:
    """A term of the objective at the end of a run.

    `guess` is the loss of a random guess; None where it is unknown. Similarities are means of the last readings; None for a term
    without them. Accuracies are top-1 within the batch, in percent, at the start and at the end.
    """

    loss: float
    guess: float | None = None
    positive_similarity: float | None = None
    batch_similarity: float | None = None
    first_accuracy: float | None = None
    last_accuracy: float | None = None


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a run knows about its training at its end.

    Args:
        steps: of the optimizer, in all starts of the run.
        grace_steps: steps within which similar features are normal.
        batch: videos of a batch on one device.
        collapsed: terms whose positives are no more similar than other videos, by the collapse monitor.
        terms: by name.
        rank: RankMe of each queue's keys, by name.
        metrics, baseline: after training and at the start, percent; empty without labels.
        baseline_name: the start in words.
        queries: videos that the metrics of labels are computed over.
        copied: videos of which copies were made.
    """

    steps: int
    grace_steps: int
    batch: int
    collapsed: Sequence[str] = ()
    terms: Mapping[str, Term] = field(default_factory=dict)
    rank: Mapping[str, float] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    baseline: Mapping[str, float] = field(default_factory=dict)
    baseline_name: str = RANDOM_INITIALIZATION
    queries: int = 0
    copied: int = 0


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One of the six words, and its reason."""

    word: str
    reason: str


def verdict(evidence: Evidence) -> Verdict:
    """Whether the encoder learns.

    In this order: worse than its start, if loaded weights had an R@1 (without it: another accuracy; without labels: a retrieval of made
    copies) two standard errors higher; collapsing, by the similarities or by RankMe below 2 after the grace steps; learning, if R@1 is two
    standard errors above that of the start, or, without labels, if the accuracy within the batch rose; as good as its start, if loaded
    weights are closer than that; too short to say, within the grace steps; else not learning.
    RankMe decides on a collapse only: noise has a high rank.
    """
    gained = _gain(evidence)
    if gained is not None and gained.word == WORSE:
        return gained
    low = [name for name, rank in evidence.rank.items() if rank < COLLAPSED_RANK]
    if evidence.steps > evidence.grace_steps and (evidence.collapsed or low):
        reason = f"positives are no more similar than other videos ({', '.join(evidence.collapsed)})" if evidence.collapsed else ""
        return Verdict(word=COLLAPSING, reason=reason or f"the keys of {', '.join(low)} have one direction")
    if gained is not None and gained.word != NOT_LEARNING:
        return gained
    rise = _rise(evidence)
    if gained is None and rise is not None:
        return rise
    if evidence.steps <= evidence.grace_steps:
        return Verdict(word=TOO_SHORT, reason=f"{evidence.steps} steps; more than {evidence.grace_steps} show it")
    return gained or Verdict(word=NOT_LEARNING, reason="the accuracy within the batch did not rise")


def _gain(evidence: Evidence) -> Verdict | None:
    """By R@1 against the start, or, of loaded weights without labels, by the made copies that are found; None where either is missing."""
    is_random = evidence.baseline_name == RANDOM_INITIALIZATION
    name, title, count = "retrieval_r1", "R@1", evidence.queries
    if name not in evidence.metrics and not is_random:
        others = [(other, metric_title(other), evidence.queries) for other in OTHER_ACCURACIES]
        others.append(("copy_top1", "made copies found", evidence.copied))
        name, title, count = next((one for one in others if one[0] in evidence.metrics), others[-1])
    if name not in evidence.metrics or name not in evidence.baseline or not count:
        return None
    before, after = evidence.baseline[name], evidence.metrics[name]
    error = two_errors(before, after, queries=count)
    reason = f"{title} {after:.1f}, {before:.1f} at {'random initialization' if is_random else f'the {evidence.baseline_name}'}"
    if after - before > error:
        return Verdict(word=LEARNING, reason=reason)
    if not is_random and before - after > error:
        return Verdict(word=WORSE, reason=reason)
    return Verdict(word=NOT_LEARNING if is_random else SAME, reason=f"{reason}; the difference is within two standard errors ({error:.1f})")


def two_errors(before: float, after: float, *, queries: int) -> float:
    """Two standard errors of the difference of two shares of `queries`, in points."""
    return STANDARD_ERRORS * math.sqrt(sum(share * (100.0 - share) / queries for share in (before, after)))


def _rise(evidence: Evidence) -> Verdict | None:
    """By the accuracy within the batch; None where no term's rose."""
    for name, term in evidence.terms.items():
        if term.first_accuracy is None or term.last_accuracy is None:
            continue
        if term.last_accuracy - term.first_accuracy > RISE_PERCENT:
            chance = 100.0 / max(1, evidence.batch)
            told = f"{name} finds a video's own key in the batch in {term.last_accuracy:.0f}% of the cases"
            return Verdict(word=LEARNING, reason=f"{told}, {term.first_accuracy:.0f}% at the start, chance {chance:.0f}%")
    return None


def _start_and_end(evidence: Evidence) -> list[str]:
    """The line on each measure before and after the training of loaded weights."""
    both = [name for name in SHOWN if name in evidence.metrics and name in evidence.baseline]
    if evidence.baseline_name == RANDOM_INITIALIZATION or not both:
        return []
    shown = [f"{metric_title(name)} {evidence.baseline[name]:.1f} and {evidence.metrics[name]:.1f}" for name in both]
    return [f"{evidence.baseline_name}, and after training: {', '.join(shown)}"]


def advice_on_start(*, encoder: str, exported: bool, folder: str) -> list[str]:
    """The last lines of a run that made its start worse.

    Args:
        encoder: the start as an option of other commands.
        exported: the exported file is the start.
    """
    lines = [f"the start is better than what training made of it: use the start, {encoder}"]
    if exported:
        lines.append(f"{folder}/backbone.safetensors is the start; the checkpoints in {folder}/checkpoints are of the trained encoder")
    return [*lines, "or train again with a lower optimizer.lr"]


def longer_epochs(*, epochs: int, steps_per_epoch: int, grace_steps: int) -> int:
    """Epochs of a longer run: twice as many, or, where that is more, those that end the grace steps."""
    return max(2 * epochs, grace_steps // max(1, steps_per_epoch) + 1)


def summary_lines(evidence: Evidence, *, cost: str, commands: Sequence[str]) -> list[str]:
    """The summary of a run.

    Args:
        cost: time, memory and disk in words.
        commands: what to do next, each as typed.
    """
    found = verdict(evidence)
    losses = [
        f"{name} {term.loss:.2f}" + ("" if term.guess is None else f" (a random guess: {term.guess:.2f})")
        for name, term in evidence.terms.items()
    ]
    similarities = [
        f"{name} {term.positive_similarity:.2f} and {term.batch_similarity:.2f}"
        for name, term in evidence.terms.items()
        if term.positive_similarity is not None and term.batch_similarity is not None
    ]
    lines = [f"verdict: {found.word} ({found.reason})"]
    lines += _start_and_end(evidence)
    lines += [f"losses: {', '.join(losses)}"] if losses else []
    lines += [f"similarity of positives, and of other videos: {', '.join(similarities)}"] if similarities else []
    if evidence.rank:
        ranks = ", ".join(f"{name} {rank:.1f}" for name, rank in evidence.rank.items())
        lines.append(f"RankMe (dimensions in use) of the keys: {ranks}")
    lines.append(cost)
    if commands:
        lines += ["next:", *(f"  {command}" for command in commands)]
    return lines
