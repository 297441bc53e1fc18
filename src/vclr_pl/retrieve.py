"""`python -m vclr_pl.retrieve`: the nearest videos of a collection, or its near duplicates, as CSV and as a page."""

from __future__ import annotations

import logging
import sys
from functools import partial
from typing import Any

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig

from vclr_pl.evaluation.neighbor_search import nearest_neighbors, require_neighbors
from vclr_pl.evaluation.neighbors import near_duplicates
from vclr_pl.report.page_content import write_left_out, write_neighbors, write_pairs
from vclr_pl.report.page_maker import PageMaker
from vclr_pl.runner.reading import Reading, build_reading, only_list, splits_of
from vclr_pl.runner.run import run
from vclr_pl.types import InputError

logger = logging.getLogger(__name__)


def retrieve(config: DictConfig) -> None:
    """Features of gallery and queries, then neighbors or duplicates."""
    reading = build_reading(config, data="gallery")
    gallery = only_list(reading.splits, key="gallery")
    asked = None if config.duplicates else config.get("query")
    queries = None if asked is None or asked.root is None else only_list(splits_of(asked, key="query"), key="query")
    manifests = {"gallery": gallery, **({} if queries is None else {"query": queries})}
    if not config.duplicates:
        require_neighbors(gallery=len(gallery), leave_one_out=queries is None, neighbors=config.neighbors)
    folders = {role: reading.embed(manifest) for role, manifest in manifests.items()}
    if not reading.is_main_process:
        return
    tables = {role: reading.table(folder, role=role) for role, folder in folders.items()}
    for role, table in tables.items():
        if not bool(torch.isfinite(table.features).all()):
            raise InputError(
                expected=f"finite features of the {role} videos", got="NaN or infinity", hint="Use an encoder that has not diverged."
            )
        for video in table.broken:
            logger.warning("broken: %s (%s)", video.path, video.reason)
    maker = None
    if config.get("page") is not None:
        shown = {"origin": reading.encoder.origin, "view": reading.encoder.view}
        maker = PageMaker(options=instantiate(config.page), pictures=instantiate(config.preview).pictures, manifests=manifests, **shown)
    duplicates(config, reading, tables, maker, gallery) if config.duplicates else neighbors(config, reading, tables, maker)


def neighbors(config: DictConfig, reading: Reading, tables: dict[str, Any], maker: PageMaker | None) -> None:
    gallery, query = tables["gallery"], tables.get("query")
    require_neighbors(gallery=len(gallery), leave_one_out=query is None, neighbors=config.neighbors)  # some could not be read
    search = instantiate(config.search) or nearest_neighbors
    found = search(gallery_GF=gallery.features, query_QF=None if query is None else query.features, neighbors=config.neighbors)
    write_neighbors(reading.folder / "neighbors.csv", gallery=gallery, query=gallery if query is None else query, found=found)
    logger.info("%s", reading.folder / "neighbors.csv")
    if maker is not None:
        maker.write_neighbors(reading.folder / "retrieval.html", gallery=gallery, query=query, found=found)
        logger.info("%s", reading.folder / "retrieval.html")


def duplicates(config: DictConfig, reading: Reading, tables: dict[str, Any], maker: PageMaker | None, gallery: Any) -> None:
    find = partial(near_duplicates, minimum_similarity=config.minimum_similarity, maximum_pairs=config.maximum_pairs)
    table, pairs, left_out = instantiate(config.distinct).search(tables["gallery"], manifest=gallery, encoder=reading.encoder, find=find)
    write_pairs(reading.folder / "duplicates.csv", table=table, pairs=pairs)
    write_left_out(reading.folder / "left_out.csv", left_out)
    logger.info("%d pairs of similarity %g or more: %s", pairs.found, config.minimum_similarity, reading.folder / "duplicates.csv")
    if maker is not None:
        maker.write_pairs(reading.folder / "duplicates.html", gallery=table, pairs=pairs, minimum_similarity=config.minimum_similarity)
        logger.info("%s", reading.folder / "duplicates.html")


def main() -> None:
    sys.exit(run(retrieve, config_name="retrieve"))


if __name__ == "__main__":
    main()
