"""`embed` writes features, `evaluate` measures an encoder by them, `retrieve` finds the nearest videos or near duplicates."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from hydra.utils import instantiate
from omegaconf import DictConfig

from vclr_pl.command.duplicates import duplicates
from vclr_pl.command.evaluation import PAGE, StoredFigures, show_figures
from vclr_pl.command.measures import OWN, extracted, lists_of, measures_of, scored, tables_of
from vclr_pl.command.result import EmbedResult, EvaluateResult, RetrieveResult
from vclr_pl.command.segments import neighbors_of, refuse_other_granularity, split_gallery
from vclr_pl.evaluation.neighbor_search import require_neighbors
from vclr_pl.evaluation.scoring import Scores
from vclr_pl.files import write_whole
from vclr_pl.report.page_content import write_neighbors
from vclr_pl.report.page_maker import PageMaker
from vclr_pl.report.record import RESULTS, ResultRecord, write_record
from vclr_pl.report.scalar_loggers import log_evaluation
from vclr_pl.report.tables import evaluation_record, metric_figures
from vclr_pl.runner.provenance import choices, provenance
from vclr_pl.runner.reading import Manifest, Reading, build_reading, only_list, page_maker, readable_table, splits_of
from vclr_pl.text import readable
from vclr_pl.types import FeatureTable, VideoSegment

logger = logging.getLogger(__name__)

Tables = dict[str, FeatureTable]
README = """The features are in these folders; features_train and features_test link to them:

{folders}

features.npy   float32 [N, F], one row for each readable video
videos.csv     every video: path, label, class, frames, status, row (its row in features.npy)
features.json  what the features depend on: encoder, list of videos, protocol

In Python:

    import csv, numpy
    features = numpy.load("{first}/features.npy", mmap_mode="r")
    with open("{first}/videos.csv", newline="") as file:
        videos = [line for line in csv.DictReader(file) if line["row"]]
    features[int(videos[0]["row"])]  # the feature of videos[0]["path"]
"""


def embed(config: DictConfig) -> EmbedResult:
    """Write features of the training list, and of the test list where the data has one; the run folder links to them."""
    reading = build_reading(config)
    manifests, folders = lists_of(reading), {}
    for name, manifest in manifests.items():
        below = f"/{name}" if len(manifests) > 1 else ""
        folder = reading.embed(manifest, output=None if config.output is None else f"{config.output}{below}")
        if not folder.is_complete:  # other parts are not finished
            continue
        folders[name] = folder.path
        if reading.is_main_process:
            table = reading.table(folder, role="training" if name == "train" else name)
            logger.info("%s: %d features of %d numbers, %d broken videos", folder.path, len(table), folder.feature_dim, len(table.broken))
    if reading.is_main_process and folders:
        link_features(reading.folder, folders)
    return EmbedResult(folder=reading.folder, features=folders)


def link_features(run: Path, features: Mapping[str, Path]) -> None:
    """Write README.txt into the run folder: where the features are and how to read them; and a link to each folder, where links work."""
    for name, folder in features.items():
        link = run / f"features_{name}"
        with contextlib.suppress(OSError):  # a file system without links
            link.unlink(missing_ok=True)
            link.symlink_to(folder.absolute(), target_is_directory=True)
    lines = "\n".join(f"{name}: {folder.absolute()}" for name, folder in features.items())
    first = next(iter(features.values())).absolute()
    write_whole(run / "README.txt", readable(README.format(folders=lines, first=first)))


def evaluate(config: DictConfig, *, stored: StoredFigures | None) -> EvaluateResult | None:
    """Compute the features of both splits and the measures on them; write results.json, the table and the page.

    Args:
        stored: the file that keeps the metrics for the next evaluation.

    Returns:
        None on ranks other than 0.
    """
    started = time.perf_counter()
    reading = build_reading(config)
    measures, left_out = measures_of(config, reading)
    found = extracted(reading, measures)
    if not reading.is_main_process:
        return None
    seconds = {"features": round(time.perf_counter() - started, 2)}
    everything = tables_of(reading, found)
    folders, tables = found[OWN], everything[OWN]
    gallery, query = tables["train"], tables.get("test")
    scores = replace(scored(measures, everything, bootstrap=instantiate(config.bootstrap)), skipped=left_out)
    manifests = {"gallery": reading.splits.train, "query": reading.splits.test}
    encoder = reading.encoder
    maker = page_maker(config, manifests=manifests, origin=encoder.origin, view=encoder.view, feature=encoder.pooling.in_words)
    page = None
    if maker is not None:
        page = reading.folder / PAGE
        maker.write_search(page, gallery=gallery, query=query, figures=metric_figures(scores.metrics, scores.intervals))
    seconds["total"] = round(time.perf_counter() - started, 2)
    record = report(config, reading, scores, queries=tables.get("test", tables["train"]), seconds=seconds)
    log_evaluation(reading.trainer.loggers, metrics=scores.metrics, intervals=scores.intervals, page=page)
    features = {name: folder.path for name, folder in folders.items()}
    if stored is not None:
        stored.write(record, tables=tables, features=features, page=page)
    kept = {"folder": reading.folder, "results": reading.folder / RESULTS}
    return EvaluateResult(**kept, metrics=scores.metrics, intervals=scores.intervals, features=features, page=page)


def report(config: DictConfig, reading: Reading, scores: Scores, *, queries: FeatureTable, seconds: dict[str, float]) -> ResultRecord:
    """Write results.json and print the table."""
    record = evaluation_record(
        name=config.name,
        found=scores,
        provenance=provenance(config),
        timings_seconds=seconds,
        encoder={
            "origin": reading.encoder.origin,
            "path": config.encoder,
            "level_percent": config.bootstrap.level_percent,
            "pooling_segments": reading.encoder.pooling.segments,
        },
        choices=choices(config),
        queries=queries,
    )
    write_record(record, reading.folder / RESULTS)
    show_figures(record, reading.folder)
    return record


def retrieve(config: DictConfig) -> RetrieveResult | None:
    """Compute the features of gallery and queries, then find neighbors or duplicates. Returns None on ranks other than 0."""
    refuse_other_granularity(config)
    reading = build_reading(config, data="gallery")
    if config.duplicates:
        return duplicates(config, reading)
    manifests, segments = split_gallery(config, asked_of(config, reading))
    require_neighbors(gallery=len(manifests["gallery"]), leave_one_out="query" not in manifests, neighbors=config.neighbors)
    folders = {role: reading.embed(manifest) for role, manifest in manifests.items()}
    if not reading.is_main_process:
        return None
    tables = {role: readable_table(reading, folder, role=role) for role, folder in folders.items()}
    encoder, shown = reading.encoder, dict(manifests)
    feature = encoder.pooling.in_words
    maker = page_maker(config, manifests=shown, origin=encoder.origin, view=encoder.view, segments=segments, feature=feature)
    return neighbors(config, reading, tables, maker, segments)


def asked_of(config: DictConfig, reading: Reading) -> dict[str, Manifest]:
    """The gallery and, if the queries are other videos, the queries."""
    gallery = only_list(reading.splits, key="gallery")
    node = config.get("query")
    queries = None if node is None or node.root is None else only_list(splits_of(node, key="query"), key="query")
    return {"gallery": gallery, **({} if queries is None else {"query": queries})}


def neighbors(
    config: DictConfig, reading: Reading, tables: Tables, maker: PageMaker | None, segments: dict[str, list[VideoSegment]]
) -> RetrieveResult:
    """Write the nearest videos of each query, as CSV and as a page."""
    gallery, query = tables["gallery"], tables.get("query")
    nearest = neighbors_of(config, tables, segments)
    table, page = reading.folder / "neighbors.csv", reading.folder / PAGE
    write_neighbors(table, gallery=gallery, query=gallery if query is None else query, found=nearest, segments=segments)
    logger.info("%s", table)
    if maker is not None:
        maker.write_neighbors(page, gallery=gallery, query=query, found=nearest)
        logger.info("%s", page)
    return RetrieveResult(folder=reading.folder, table=table, page=None if maker is None else page)
