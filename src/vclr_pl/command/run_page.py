"""What the run page needs of a command: its options before the training, its results after it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
from omegaconf import DictConfig

from vclr_pl.callback.run_page import Outcome, RunPageWriter
from vclr_pl.report.run_page import NextCommand, RunDescription
from vclr_pl.report.run_results import result_rows
from vclr_pl.report.run_summary import LEARNING, WORSE, Verdict
from vclr_pl.runner.changed_options import changed_options
from vclr_pl.runner.next_commands import given_words, page_commands, resume_command
from vclr_pl.runner.sizes import Size
from vclr_pl.runner.trainer import callbacks_of


def describe_run(config: DictConfig, trainer: lightning.Trainer, *, command: str, chosen: Mapping[str, Size]) -> None:
    """Give the page, if there is one, what does not change during the run.

    Args:
        command: `train` or `finetune`.
        chosen: sizes that follow from the data, by key.
    """
    writer = writer_of(trainer)
    if writer is None or not trainer.is_global_zero:
        return
    folder = Path(config.paths.run)
    writer.description = RunDescription(
        title=config.name if folder.name == config.name else f"{config.name}, {folder.name}",
        folder=str(folder),
        command=shlex.join(given_words()),
        options=changed_options(config, chosen=chosen),
        commands=[NextCommand(purpose="Resume after a stop", command=resume_command(folder=folder, command=command))],
    )


@dataclass(frozen=True, kw_only=True)
class Ending:
    """What a run of `command` says at its end: the verdict, if there is one, its cost in words, and the command to train for longer."""

    command: str
    longer: str
    verdict: Verdict | None = None
    cost: str = ""
    exported: str = ""  # which encoder is exported, where it is not the last one


def finish_page(
    training: Any,
    *,
    metrics: Mapping[str, float],
    baseline: Mapping[str, float],
    queries: int,
    intervals: Mapping[str, tuple[float, float]],
    chance: Mapping[str, float],
    ending: Ending,
) -> None:
    """Write the page of a run that has ended, if there is one."""
    writer = writer_of(training.trainer)
    if writer is None:
        return
    found = ending.verdict
    note = f"Percent of {queries:,} queries, with 95% intervals. " if queries else "Percent. "
    name = getattr(training.evaluation, "baseline_name", "")
    note += f"Before training is the {name}. A gain in gray is within two standard errors. " if baseline else ""
    note += "Chance is that of random neighbors. " if chance else ""
    note += ending.exported
    outcome = Outcome(
        results=result_rows(metrics, baseline=baseline, queries=queries, intervals=intervals, chance=chance),
        results_note=note,
        verdict=None if found is None else (found.word, found.reason),
        cost=ending.cost,
        advice="" if found is None or found.word in (LEARNING, WORSE) else ending.longer,
    )
    commands = page_commands(folder=training.folder, command=ending.command)
    commands |= {"Train for longer": ending.longer} if ending.longer else {}
    offered = [NextCommand(purpose=purpose, command=words) for purpose, words in commands.items()]
    writer.description = replace(writer.description, commands=offered)
    writer.finish(training.trainer, training.module, outcome)


def writer_of(trainer: lightning.Trainer) -> RunPageWriter | None:
    """The callback that writes the page; None if it was removed."""
    callbacks: Sequence[Any] = callbacks_of(trainer)
    return next((callback for callback in callbacks if isinstance(callback, RunPageWriter)), None)
