"""`compare`: several encoders by one protocol, in one table, with paired differences from the first."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import rich
from hydra.utils import instantiate
from omegaconf import DictConfig, ListConfig

from vclr_pl.command.evaluation import ROLES
from vclr_pl.command.measures import OWN, Folders, Tables, extracted, lists_of, measures_of, scored, tables_of
from vclr_pl.command.result import CompareResult
from vclr_pl.evaluation.scoring import Scores, paired_differences
from vclr_pl.features.distinct_videos import without
from vclr_pl.features.video_mapping import short_names
from vclr_pl.files import write_whole
from vclr_pl.report.compared_encoders import EncoderComparison, print_encoders, write_encoders
from vclr_pl.report.encoders_page import encoders_html
from vclr_pl.report.record import RESULTS, ResultRecord
from vclr_pl.report.tables import evaluation_record
from vclr_pl.runner.provenance import choices, provenance
from vclr_pl.runner.reading import EncoderChoice, FeatureFolder, Manifest, Reading, build_readings, log_encoder
from vclr_pl.text import readable
from vclr_pl.types import FeatureTable, InputError

logger = logging.getLogger(__name__)

TABLE, PAGE = "compare.csv", "compare.html"


@dataclass(frozen=True)
class NamedChoice:
    """An encoder of the table: its name there, and what it is."""

    name: str
    choice: EncoderChoice


def compare(config: DictConfig) -> CompareResult | None:
    """Compute or find the features of all encoders, and write the table. Returns None on ranks other than 0."""
    chosen = choices_of(config)
    bootstrap = instantiate(config.bootstrap)
    readings = build_readings(config, [entry.choice for entry in chosen])
    measures, left_out = measures_of(config, readings[0])
    features: list[Folders] = []
    for entry, reading in zip(chosen, readings, strict=True):
        if reading.is_main_process:
            logger.info("%s", entry.name)
            log_encoder(reading.encoder)
        features.append(extracted(reading, measures))
    if not readings[0].is_main_process:
        return None
    tables = shared_videos([tables_of(readings[0], folders) for folders in features], lists=lists_of(readings[0]))
    frame_scores: dict[str, dict[int, Scores]] = {entry.choice.path: {} for entry in chosen}
    scores = [
        replace(scored(measures, of, bootstrap=bootstrap, frame_scores=frame_scores[entry.choice.path]), skipped=left_out)
        for entry, of in zip(chosen, tables, strict=True)
    ]
    split = tables[0][OWN]
    queries = split.get("test", split["train"])
    differences = [paired_differences(found, first=scores[0], bootstrap=bootstrap) for found in scores[1:]]
    found = EncoderComparison(
        name=config.name,
        encoders=[
            described(config, entry, reading, found=of_encoder, folders=folders[OWN], queries=queries)
            for entry, reading, of_encoder, folders in zip(chosen, readings, scores, features, strict=True)
        ],
        differences=[{}, *differences],
        level_percent=config.bootstrap.level_percent,
        gallery=len(split["train"]),
        queries=len(queries),
        leave_one_out="test" not in split,
    )
    return write_result(config, readings[0], found)


def choices_of(config: DictConfig) -> list[NamedChoice]:
    """The encoders of `config.encoders`, a list or a mapping from names, each with every pooling.

    Raises:
        InputError: no encoder.
    """
    given = [config.encoders] if isinstance(config.encoders, str) else config.encoders
    paths = [str(path) for path in (given if isinstance(given, ListConfig | list) else given.values())]
    names = short_names(paths) if isinstance(given, ListConfig | list) else [str(name) for name in given]
    if not paths:
        raise InputError(expected="encoders=[A,B] or encoders={NAME: A, NAME: B}", got="none", hint="Name at least one encoder.")
    wanted = config.poolings or [config.protocol.pooling]
    poolings = [wanted] if isinstance(wanted, str) else list(wanted)
    return [
        NamedChoice(name=f"{name}, {pooling}" if len(poolings) > 1 else name, choice=EncoderChoice(path=path, pooling=pooling))
        for name, path in zip(names, paths, strict=True)
        for pooling in poolings
    ]


def shared_videos(tables: Sequence[Tables], *, lists: Mapping[str, Manifest]) -> list[Tables]:
    """The tables of all encoders with only the videos that every encoder has a feature of; a warning counts the others.

    Raises:
        InputError: no video of a split has a feature of every encoder.
    """
    common = {}
    for name, manifest in lists.items():
        common[name] = set.intersection(*(set(of[name].video_index.tolist()) for encoder in tables for of in encoder.values()))
        missing = len(manifest) - len(common[name])
        if missing == len(manifest):
            raise InputError(
                expected=f"{ROLES[name]} videos that every encoder can read",
                got="none",
                hint="Compare fewer encoders, or repair the videos.",
            )
        if missing:
            message = "%d of the %d %s videos are left out for all encoders: they cannot be read"
            logger.warning(message, missing, len(manifest), ROLES[name])
    return [
        {segments: {name: _only(table, common[name]) for name, table in of.items()} for segments, of in encoder.items()}
        for encoder in tables
    ]


def _only(table: FeatureTable, videos: set[int]) -> FeatureTable:
    return without(table, [row for row, index in enumerate(table.video_index.tolist()) if index not in videos])


def described(
    config: DictConfig, entry: NamedChoice, reading: Reading, *, found: Scores, folders: Mapping[str, FeatureFolder], queries: FeatureTable
) -> ResultRecord:
    """The row of an encoder. Videos per second are over both splits; None if stored features were used."""
    seconds, videos = (sum(getattr(folder, name) for folder in folders.values()) for name in ("seconds_read", "videos_read"))
    encoder = reading.encoder
    facts = {
        "origin": encoder.origin,
        "path": entry.choice.path,
        "level_percent": config.bootstrap.level_percent,
        "view": encoder.view.in_words,
        "pooling_segments": encoder.pooling.segments,
        "parameters": sum(parameter.numel() for parameter in encoder.backbone.parameters()),
        "feature_dim": folders["train"].feature_dim,
        "videos_per_second": round(videos / seconds, 2) if videos else None,
    }
    return evaluation_record(
        name=entry.name,
        found=found,
        provenance=provenance(config),
        timings_seconds={},
        encoder=facts,
        choices=choices(config),
        queries=queries,
    )


def write_result(config: DictConfig, reading: Reading, found: EncoderComparison) -> CompareResult:
    """Write results.json, the CSV file and the page, and print the table."""
    results, table, page = (reading.folder / name for name in (RESULTS, TABLE, PAGE))
    write_whole(results, found.json())
    write_encoders(table, found)
    write_whole(page, readable(encoders_html(found)))
    print_encoders(found, title=config.name, console=rich.get_console())
    for path in (table, page):
        logger.info("%s", path)
    logger.info("run folder: %s", reading.folder)
    return CompareResult(
        folder=reading.folder,
        results=results,
        table=table,
        page=page,
        metrics={record.name: record.metrics for record in found.encoders},
        intervals={record.name: {name: (low, high) for name, (low, high) in record.intervals.items()} for record in found.encoders},
        differences={
            record.name: {name: (one.points, one.low, one.high) for name, one in of.items()}
            for record, of in zip(found.encoders, found.differences, strict=True)
        },
    )
