"""The measures of `evaluate` and `compare`: which the videos allow, the features that they read, and their scores."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig

from vclr_pl.command.evaluation import ROLES
from vclr_pl.evaluation.label_needs import applicable, skipped
from vclr_pl.evaluation.scoring import Bootstrap, Scores, score
from vclr_pl.runner.reading import FeatureFolder, Manifest, Reading
from vclr_pl.types import FeatureTable

logger = logging.getLogger(__name__)

OWN = 0  # in place of a number of segments: the pooling of the protocol
Folders = dict[int, dict[str, FeatureFolder]]  # by pooled segments and split
Tables = dict[int, dict[str, FeatureTable]]


def lists_of(reading: Reading) -> dict[str, Manifest]:
    """The lists of videos, by split."""
    lists = {"train": reading.splits.train, "test": reading.splits.test}
    return {name: manifest for name, manifest in lists.items() if manifest is not None}


def measures_of(config: DictConfig, reading: Reading) -> tuple[dict[str, Any], list[str]]:
    """The measures that the videos allow, by name, and the names of those that some videos lack labels for."""
    unlabeled = [ROLES[name] for name, manifest in lists_of(reading).items() if not manifest.labeled]
    measures = dict(instantiate(config.evaluation.measures))
    left_out = skipped(measures, labeled=not unlabeled)
    if left_out and reading.is_main_process:
        logger.info("not all %s videos have labels: skipping %s", " and ".join(unlabeled), ", ".join(left_out))
    return applicable(measures, labeled=not unlabeled), left_out


def segments_of(measure: object) -> int:
    """The segments of the frames that a measure reads, as `attentive_probe`; `OWN` for most."""
    return int(getattr(measure, "pooling_segments", OWN))


def extracted(reading: Reading, measures: Mapping[str, Any]) -> Folders:
    """The features that the measures read, and those by the pooling of the protocol. All ranks call it together."""
    found: Folders = {}
    for segments in dict.fromkeys((OWN, *map(segments_of, measures.values()))):
        encoder = reading.encoder if segments == OWN else reading.encoder.with_pooling(segments)
        pooled = replace(reading, encoder=encoder)
        if segments != OWN and reading.is_main_process:
            logger.info("frame features, in %d segments", segments)
        found[segments] = {name: pooled.embed(manifest) for name, manifest in lists_of(reading).items()}
    return found


def tables_of(reading: Reading, folders: Folders) -> Tables:
    """The tables in the folders of `extracted`.

    Raises:
        BrokenVideosError: no video of a split could be read.
    """
    return {segments: {name: reading.table(folder, role=ROLES[name]) for name, folder in of.items()} for segments, of in folders.items()}


def scored(measures: Mapping[str, Any], tables: Tables, *, bootstrap: Bootstrap, frame_scores: dict[int, Scores] | None = None) -> Scores:
    """The measures, each on the features that it reads.

    Args:
        frame_scores: of the same encoder with another pooling, by segments: those of measures that read no pooled features are taken from
            it, and added to it.
    """
    found, known = Scores(), {} if frame_scores is None else frame_scores
    for segments, of in tables.items():
        if segments in known:
            found.add(known[segments])
            continue
        own = {name: measure for name, measure in measures.items() if segments_of(measure) == segments}
        scores = score(measures=own, gallery=of["train"], query=of.get("test"), bootstrap=bootstrap)
        found.add(scores)
        if segments != OWN:
            known[segments] = scores
    return found
