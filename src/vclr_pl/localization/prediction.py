"""From a trained network to a file of proposals and its figures.

Legend: T positions.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vclr_pl.files import write_whole
from vclr_pl.localization.bmn import BMN
from vclr_pl.localization.module import ProposalRun, ProposedVideo, journaled
from vclr_pl.localization.proposals import ProposalMaker
from vclr_pl.localization.scores import ClassScores, LocalizationScoring, Segments, evenly_spaced_proposals, submission
from vclr_pl.types import InputError

logger = logging.getLogger(__name__)

DESCRIPTION = "made_of.json"


@dataclass(frozen=True)
class LocalizationFigures:
    """Percent by name: of the network's proposals, and of evenly spaced ones."""

    metrics: dict[str, float]
    baseline: dict[str, float]


@dataclass(frozen=True)
class Proposing:
    """Writes and judges proposals.

    Args:
        maker: from probabilities to proposals.
        scoring: the figures.
        folder: of the journals, a line a video: a new start goes on after the last one.
    """

    maker: ProposalMaker
    scoring: LocalizationScoring
    folder: str

    def propose(
        self,
        *,
        localizer: BMN,
        loader: Callable[[Sequence[int]], Any],
        covered_seconds: Mapping[str, float],
        identities: Sequence[str],
        made_of: str,
        trainer: Any,
    ) -> None:
        """Proposals of every video, through the trainer; `proposals.json` beside the journals. All ranks call it together.

        Args:
            made_of: says which network and features these proposals are of; journals of others are thrown away.
        """
        folder = Path(self.folder)
        if trainer.is_global_zero:
            self._begin(folder, {"made_of": made_of, **vars(self.maker)})
        trainer.strategy.barrier()
        run = ProposalRun(
            localizer=localizer, maker=self.maker, loader=loader, identities=identities, covered_seconds=covered_seconds, folder=folder
        )
        if run.videos:
            trainer.predict(run, return_predictions=False)
        trainer.strategy.barrier()
        if trainer.is_global_zero:
            found = self.proposed()
            content = json.dumps(submission({identity: found[identity].proposals for identity in identities}))
            write_whole(folder / "proposals.json", content)
            kept = len(identities) - len(run.videos)
            logger.info("proposals of %d videos%s: %s", len(identities), f" ({kept} kept)" if kept else "", folder / "proposals.json")

    def proposed(self) -> dict[str, ProposedVideo]:
        """By identity.

        Raises:
            InputError: none are there.
        """
        found = journaled(Path(self.folder))
        if not found:
            raise InputError(expected=f"proposals in '{self.folder}'", got="none", hint="Run the stage propose first.")
        return found

    def figures(self, *, truth: Segments, class_scores: ClassScores | None, durations_seconds: Mapping[str, float]) -> LocalizationFigures:
        """
        Raises:
            InputError: no video has true segments.
        """
        if not truth:
            raise InputError(
                expected="videos with true segments to judge by", got="none", hint="Take evaluate out of stages, or annotate them."
            )
        if without := [video for video in truth if class_scores is not None and not class_scores.get(video)]:
            told = "%d of %d videos have no class scores, so that no detection counts in them, for instance %s"
            logger.warning(told, len(without), len(truth), ", ".join(without[:5]))
        found = {identity: video.proposals for identity, video in self.proposed().items()}
        even = evenly_spaced_proposals({video: durations_seconds[video] for video in truth})
        return LocalizationFigures(
            metrics=self.scoring.metrics(truth=truth, proposals=found, class_scores=class_scores),
            baseline=self.scoring.metrics(truth=truth, proposals=even, class_scores=class_scores),
        )

    def _begin(self, folder: Path, made_of: Mapping[str, Any]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(made_of, indent=2, sort_keys=True) + "\n"
        file = folder / DESCRIPTION
        if not file.is_file() or file.read_text() != text:
            for path in folder.glob("proposals*.json*"):
                path.unlink()
            write_whole(file, text)
