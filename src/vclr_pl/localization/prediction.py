"""Proposals of a trained network, and their metrics.

Legend: T positions.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch.utils.data import DataLoader

from vclr_pl.features.extraction import VideoLoop, predict_unfinished
from vclr_pl.files import write_whole
from vclr_pl.localization.bmn import BMN, BoundaryPrediction
from vclr_pl.localization.dataset import SnippetBatch
from vclr_pl.localization.proposals import ProposalMaker, VideoPrediction
from vclr_pl.localization.scores import AverageRecall, ClassScores, LocalizationScoring, Segments, evenly_spaced_proposals, submission
from vclr_pl.store import ResumableFolder
from vclr_pl.types import InputError

logger = logging.getLogger(__name__)

DESCRIPTION, PROPOSALS = "made_of.json", "proposals.json"


@dataclass(frozen=True)
class ProposedVideo:
    """Proposals of a video (start, end, score; seconds, best first) and its boundary probabilities."""

    identity: str
    proposals: tuple[tuple[float, float, float], ...]
    start: tuple[float, ...]  # [T]
    end: tuple[float, ...]  # [T]


class ProposalRun(VideoLoop):
    """Writes the proposals of each video into the journal.

    Args:
        videos: indices of the videos without proposals.
        loader: creates batches of the videos with these indices.
        identities, covered_seconds: of all videos, by index.
    """

    def __init__(
        self,
        *,
        localizer: BMN,
        maker: ProposalMaker,
        videos: Sequence[int],
        loader: Callable[[Sequence[int]], DataLoader[Any]],
        identities: Sequence[str],
        covered_seconds: Mapping[str, float],
        store: ResumableFolder,
    ) -> None:
        super().__init__(videos)
        self.localizer, self.maker, self.loader = localizer, maker, loader
        self.identities, self.covered_seconds, self.store = identities, covered_seconds, store

    def predict_dataloader(self) -> DataLoader[Any]:
        return self.loader(self.agreed_videos()[self.trainer.global_rank :: self.trainer.world_size])

    def predict_step(self, batch: SnippetBatch, batch_idx: int) -> int:
        del batch_idx
        prediction: BoundaryPrediction = self.localizer(batch.features)
        arrays = [part.double().cpu().numpy() for part in vars(prediction).values()]
        lines = [
            self._line(index, VideoPrediction(*(part[row] for part in arrays))) for row, index in enumerate(batch.video_index.tolist())
        ]
        self.store.append(lines, rank=self.trainer.global_rank)
        self.videos_done += len(batch)
        return len(batch)

    def _line(self, index: int, prediction: VideoPrediction) -> dict[str, Any]:
        identity = self.identities[index]
        proposals = self.maker.proposals(prediction, duration_seconds=self.covered_seconds[identity])
        return {
            "video": identity,
            "proposals": [[proposal.start_seconds, proposal.end_seconds, proposal.score] for proposal in proposals],
            "start": prediction.start.tolist(),
            "end": prediction.end.tolist(),
        }


@dataclass(frozen=True)
class LocalizationFigures:
    """Metrics in percent of the network's proposals, and of evenly spaced proposals (`baseline`); `recall` has each video's part."""

    metrics: dict[str, float]
    baseline: dict[str, float]
    recall: AverageRecall


@dataclass(frozen=True)
class Proposing:
    """Writes and evaluates proposals.

    Args:
        maker: makes proposals from probabilities.
        scoring: the metrics.
        folder: folder of the proposals.
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
        """Write `proposals.json` with the proposals of every video; skip finished videos. Collective call.

        Args:
            made_of: key of the network and the features. Proposals with another key are removed.
        """
        store = self._store()
        if trainer.is_global_zero:
            store.begin_anew({"made_of": made_of, **vars(self.maker)}, results=(PROPOSALS,))
        trainer.strategy.barrier()

        def left() -> list[int]:
            done = store.finished()
            return [index for index, identity in enumerate(identities) if identity not in done]

        kept = len(identities) - len(left())

        def run() -> ProposalRun:
            return ProposalRun(
                localizer=localizer,
                maker=self.maker,
                videos=left(),
                loader=loader,
                identities=identities,
                covered_seconds=covered_seconds,
                store=store,
            )

        def finish() -> None:
            proposed = self.proposed()
            content = json.dumps(submission({identity: proposed[identity].proposals for identity in identities}))
            write_whole(store.path / PROPOSALS, content)
            logger.info("proposals of %d videos%s: %s", len(identities), f" ({kept} kept)" if kept else "", store.path / PROPOSALS)

        # writing takes little time, so the file is always written again
        predict_unfinished(store, trainer=trainer, is_complete=lambda: False, loop=run, finish=finish)

    def proposed(self) -> dict[str, ProposedVideo]:
        """Proposals and boundary curves by identity.

        Raises:
            InputError: there are none.
        """
        proposed = {
            identity: ProposedVideo(identity, tuple(map(tuple, line["proposals"])), tuple(line["start"]), tuple(line["end"]))
            for identity, line in self._store().finished().items()
        }
        if not proposed:
            raise InputError(expected=f"proposals in '{self.folder}'", got="none", hint="Run the stage propose first.")
        return proposed

    def figures(self, *, truth: Segments, class_scores: ClassScores | None, durations_seconds: Mapping[str, float]) -> LocalizationFigures:
        """The metrics.

        Raises:
            InputError: no video has true segments.
        """
        if not truth:
            raise InputError(expected="videos with true segments", got="none", hint="Remove evaluate from stages, or annotate the videos.")
        if without := [video for video in truth if class_scores is not None and not class_scores.get(video)]:
            message = "%d of %d videos have no class scores and thus no detections, for instance %s"
            logger.warning(message, len(without), len(truth), ", ".join(without[:5]))
        proposals = {identity: video.proposals for identity, video in self.proposed().items()}
        even = evenly_spaced_proposals({video: durations_seconds[video] for video in truth})
        recall = self.scoring.recall(truth=truth, proposals=proposals)
        return LocalizationFigures(
            recall=recall,
            metrics=self.scoring.metrics(truth=truth, proposals=proposals, class_scores=class_scores, recall=recall),
            baseline=self.scoring.metrics(truth=truth, proposals=even, class_scores=class_scores),
        )

    def _store(self) -> ResumableFolder:
        return ResumableFolder(Path(self.folder), description=DESCRIPTION, journal="proposals")
