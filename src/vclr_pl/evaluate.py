"""`python -m vclr_pl.evaluate`: what an encoder is worth on a collection with labels, and a page to look at it."""

from __future__ import annotations

import logging
import sys
import time

import rich
from hydra.utils import instantiate
from omegaconf import DictConfig

from vclr_pl.evaluation.scoring import Scores, score
from vclr_pl.report.record import write_record
from vclr_pl.report.tables import evaluation_record, evaluation_table, metric_figures
from vclr_pl.report.wandb_logger import log_evaluation
from vclr_pl.runner.provenance import provenance
from vclr_pl.runner.reading import Reading, build_reading
from vclr_pl.runner.run import run
from vclr_pl.runner.search_page import write_search_page

logger = logging.getLogger(__name__)


def evaluate(config: DictConfig) -> None:
    """Features of both splits, the measures on them, results.json, the table and the page."""
    started = time.perf_counter()
    reading = build_reading(config)
    splits = reading.splits
    folders = [reading.embed(manifest) for manifest in (splits.train, splits.test) if manifest is not None]
    if not reading.is_main_process:
        return
    seconds = {"features": round(time.perf_counter() - started, 2)}
    gallery, *queries = (reading.table(folder, role=role) for folder, role in zip(folders, ("training", "test"), strict=False))
    query = queries[0] if queries else None
    found = Scores()
    unlabeled = [
        name for name, manifest in (("training", splits.train), ("test", splits.test)) if manifest is not None and not manifest.labeled
    ]
    if not unlabeled:
        bootstrap = instantiate(config.bootstrap)
        found = score(measures=instantiate(config.evaluation.measures), gallery=gallery, query=query, bootstrap=bootstrap)
    else:
        logger.info("not all %s videos have labels: retrieval, kNN and linear probe stay away", " and ".join(unlabeled))
    page = write_search_page(
        config,
        folder=reading.folder,
        manifests={"gallery": splits.train, "query": splits.test},
        origin=reading.encoder.origin,
        view=reading.encoder.view,
        gallery=gallery,
        query=query,
        figures=metric_figures(found.metrics, found.intervals),
    )
    report(config, reading, found, seconds={**seconds, "total": round(time.perf_counter() - started, 2)})
    log_evaluation(reading.trainer.loggers, metrics=found.metrics, page=page)


def report(config: DictConfig, reading: Reading, found: Scores, *, seconds: dict[str, float]) -> None:
    """Write results.json and print the table."""
    described = {"origin": reading.encoder.origin, "path": config.encoder, "level_percent": config.bootstrap.level_percent}
    record = evaluation_record(name=config.name, found=found, provenance=provenance(config), timings_seconds=seconds, encoder=described)
    write_record(record, reading.folder / "results.json")
    if record.metrics:
        rich.get_console().print(evaluation_table(record))
    logger.info("run folder: %s", reading.folder)


def main() -> None:
    sys.exit(run(evaluate, config_name="evaluate"))


if __name__ == "__main__":
    main()
