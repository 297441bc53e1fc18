"""`train` pretrains a video encoder; `finetune` trains an encoder, or a linear layer on it, for action recognition."""

from __future__ import annotations

import functools
import logging
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
import rich
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from vclr_pl.callback.evaluation import EncoderEvaluation
from vclr_pl.callback.export import exported_step
from vclr_pl.callback.recognition import RecognitionEvaluation
from vclr_pl.callback.run_summary import RunSummary, guess_losses
from vclr_pl.command.chosen_sizes import choose_sizes
from vclr_pl.command.evaluation import PAGE
from vclr_pl.command.finished_run import TEST_FILES, finetuned, pretrained
from vclr_pl.command.plan import show_plan
from vclr_pl.command.result import FinetuneResult, TrainResult
from vclr_pl.command.run_page import Ending, describe_run, finish_page
from vclr_pl.data.datamodule import VideoDataModule
from vclr_pl.data.recognition import RecognitionDataModule
from vclr_pl.data.transform.resolution import progressive_resolution
from vclr_pl.datasets.manifest import Manifest, VideoSplits
from vclr_pl.evaluation.scoring import Scores
from vclr_pl.pretrain.vclr_module import VCLRModule
from vclr_pl.recognizer.module import RecognizerModule
from vclr_pl.report.predictions import predictions, write_confusion, write_predictions
from vclr_pl.report.record import RANDOM_INITIALIZATION, RESULTS, ResultRecord, results_last
from vclr_pl.report.run_summary import LEARNING, WORSE, Evidence, advice_on_start, longer_epochs, summary_lines, verdict
from vclr_pl.report.scalar_loggers import log_evaluation
from vclr_pl.report.tables import evaluation_record, evaluation_table, metric_figures, result_table
from vclr_pl.runner.composition import instantiate_with
from vclr_pl.runner.encoder_view import fit_to_encoder
from vclr_pl.runner.global_batch import prefer_given_batches
from vclr_pl.runner.group_choices import chosen_groups, refuse_segments_for_clip_contrast
from vclr_pl.runner.next_commands import given_keys, longer_command, next_commands, start_encoder
from vclr_pl.runner.provenance import choices, provenance
from vclr_pl.runner.reading import page_maker
from vclr_pl.runner.resume import FINE_TUNING, PRETRAINING
from vclr_pl.runner.sizes import Size
from vclr_pl.runner.trainer import callbacks_of, refuse_absent_gpu, trainer_of
from vclr_pl.runner.training import Training, run_training

logger = logging.getLogger(__name__)

Pretraining = Training[VCLRModule, VideoDataModule, EncoderEvaluation]
FineTuning = Training[RecognizerModule, RecognitionDataModule, RecognitionEvaluation]


def train(config: DictConfig) -> TrainResult | None:
    """Pretrain; evaluate the encoder and the start of the run. Returns None on ranks other than 0, and with `plan`, which shows what the
    run needs instead.
    """
    refuse_segments_for_clip_contrast(chosen_groups())
    if config.plan:
        show_plan(config, build=build_pretraining)
        return None
    return run_training(config, build=build_pretraining, report=functools.partial(report_pretraining, config), finished=pretrained)


def finetune(config: DictConfig) -> FinetuneResult | None:
    """Fine-tune, and test if the data has a test list. Returns None on ranks other than 0, and with `plan`."""
    if config.plan:
        show_plan(config, build=build_finetuning)
        return None
    return run_training(config, build=build_finetuning, report=functools.partial(report_finetuning, config), finished=finetuned)


def build_pretraining(config: DictConfig) -> Pretraining:
    """Instantiate every node of a pretraining config.

    The network is created right after seeding, before any other random draw, so that its random initialization depends only on the
    seed and the network. The start of the run, random or loaded, is the baseline of its results.

    Raises:
        InputError: a GPU is required and there is none, or a constructor rejects an option.
    """
    refuse_absent_gpu(accelerator=config.trainer.accelerator)
    prefer_given_batches(config, given=given_keys())
    splits = instantiate(config.data)
    chosen: Mapping[str, Size] = {}
    if config.fit_to_data:
        chosen = choose_sizes(config, videos=len(splits.train if isinstance(splits, VideoSplits) else Manifest.from_source(splits)))
    lightning.seed_everything(config.seed, workers=True, verbose=False)
    module: VCLRModule = instantiate(config.module)
    datamodule: VideoDataModule = instantiate_with(config.datamodule, splits=splits)
    datamodule.resolution = resolution = progressive_resolution(
        module.schedule.progressive_resolution, transform=datamodule.transform, epochs=config.trainer.max_epochs
    )
    evaluation: EncoderEvaluation = instantiate(config.evaluation)
    callbacks = [instantiate(node) for node in config.callback.values() if node is not None]
    trainer = trainer_of(config, callbacks=[*callbacks, evaluation])
    weight = instantiate(config.get("weight"))
    evaluation.keep_start(module, name=RANDOM_INITIALIZATION)
    describe_run(config, trainer, command="train", chosen=chosen)
    if resolution is not None and trainer.is_global_zero:
        sides = f"{resolution.first_pixels} to {resolution.last_pixels} pixels"
        logger.info("views grow from %s over the run: %.0f %% of the pixels in all", sides, 100 * resolution.relative_work)

    def load_weights() -> None:
        logger.info("%s", weight.load_into(module))
        module.momentum_encoder.restart(module.encoder)
        evaluation.keep_start(module, name=f"start: {Path(weight.path).name}")

    return Training(
        module=module,
        datamodule=datamodule,
        trainer=trainer,
        evaluation=evaluation,
        folder=Path(config.paths.run),
        hints=PRETRAINING,
        load_weights=None if weight is None else load_weights,
    )


def build_finetuning(config: DictConfig) -> FineTuning:
    """Instantiate every node of a fine-tuning config, and log where the backbone comes from.

    The seed, the backbone and the head follow one another, so that random weights depend only on the seed and the network. The data is
    created before the head, which needs the number of classes, and after the backbone, whose file can give the view.

    Raises:
        InputError: a GPU is required and there is none, or a constructor rejects an option.
    """
    refuse_absent_gpu(accelerator=config.trainer.accelerator)
    prefer_given_batches(config, given=given_keys())
    lightning.seed_everything(config.seed, workers=True, verbose=False)
    start = instantiate(config.start)(str(config.encoder), backbone=instantiate(config.get("backbone")))
    if config.fit_to_encoder:
        fit_to_encoder(config, view=start.view, clip=start.clip, given=given_keys())
    with torch.random.fork_rng(devices=[]):  # data of the user's own may draw
        datamodule: RecognitionDataModule = instantiate(config.datamodule)
    described = OmegaConf.to_container(config.backbone, resolve=True) if config.get("backbone") is not None else None
    recognizer = instantiate(config.recognizer)(backbone=start.network, classes=len(datamodule.class_names))
    module: RecognizerModule = instantiate(config.module)(recognizer=recognizer)
    evaluation: RecognitionEvaluation = instantiate(config.evaluation)
    callbacks = [
        _with_architecture(instantiate(node), start.architecture or described) for node in config.callback.values() if node is not None
    ]
    trainer = trainer_of(config, callbacks=[*callbacks, evaluation])
    describe_run(config, trainer, command="finetune", chosen={})
    if trainer.is_global_zero:
        logger.info("backbone: %s", start.origin)
    return Training(
        module=module,
        datamodule=datamodule,
        trainer=trainer,
        evaluation=evaluation,
        folder=Path(config.paths.run),
        hints=FINE_TUNING,
        groups=[len(group.parameters) for group in module.groups()],
    )


def _with_architecture(callback: Any, architecture: Any) -> lightning.Callback:
    """Complete a callback with `_partial_` when the network of the encoder's file is known."""
    finished: lightning.Callback = callback(architecture=architecture) if isinstance(callback, functools.partial) else callback
    return finished


def report_pretraining(config: DictConfig, training: Pretraining, seconds: Mapping[str, float]) -> TrainResult:
    """Write results.json; if the encoder was evaluated, print the table and write the page."""
    evaluation, page = training.evaluation, None
    evidence = evidence_of(training)
    word = None if evidence is None else verdict(evidence).word
    exported = exported_step(training.trainer, better_start=evaluation.start if word == WORSE else None)
    guesses = guess_losses(training.module)
    record = ResultRecord(
        name=config.name,
        skipped=evaluation.skipped(training.trainer) if evaluation.enabled else [],
        metrics=evaluation.metrics,
        baseline=evaluation.baseline,
        provenance=provenance(config),
        timings_seconds=dict(seconds),
        chance={} if evaluation.measured is None else evaluation.measured.chance,
        training={**counts(training.trainer), **({} if word is None else {"verdict": word}), "exported_step": exported},
        baseline_name=evaluation.baseline_name,
        queries=0 if evaluation.measured is None else evaluation.measured.queries,
        guess_losses={f"loss_{term}" if term else "loss": loss for term, loss in guesses.items()},
    )
    with results_last(record, training.folder / RESULTS):
        if record.metrics:
            rich.get_console().print(result_table(record))
        if evaluation.measured is not None:
            page = search_page(config, training)
            log_evaluation(training.trainer.loggers, metrics=evaluation.metrics, baseline=evaluation.baseline, page=page)
        conclude(config, training, evidence, exported=exported)
    logger.info("run folder: %s", training.folder)
    return pretrained(training.folder)


def search_page(config: DictConfig, training: Pretraining) -> Path | None:
    """Write the page of the evaluated videos' neighbors, if the config has one."""
    data, measured = training.datamodule, training.evaluation.measured
    assert measured is not None
    manifests = {"gallery": data.manifest("train"), "query": None if measured.query is None else data.manifest("test")}
    origin = f"{config.name}, trained for {training.trainer.global_step} steps"
    maker = page_maker(config, manifests=manifests, origin=origin, view=data.evaluation_view)
    if maker is None:
        return None
    figures = metric_figures(training.evaluation.metrics, {})
    return maker.write_search(training.folder / PAGE, gallery=measured.gallery, query=measured.query, figures=figures)


def summary_of(training: Pretraining) -> RunSummary | None:
    """The callback that observes the training; None if it was removed."""
    return next((callback for callback in callbacks_of(training.trainer) if isinstance(callback, RunSummary)), None)


def evidence_of(training: Pretraining) -> Evidence | None:
    """What the verdict depends on; None without the callback."""
    summary, evaluation = summary_of(training), training.evaluation
    if summary is None:
        return None
    queries = 0 if evaluation.measured is None else evaluation.measured.queries
    metrics, baseline = evaluation.metrics, evaluation.baseline
    evidence = summary.evidence(training.trainer, training.module, metrics=metrics, baseline=baseline, queries=queries)
    return replace(
        evidence, baseline_name=evaluation.baseline_name, copied=0 if evaluation.measured is None else evaluation.measured.copied
    )


def conclude(config: DictConfig, training: Pretraining, evidence: Evidence | None, *, exported: int) -> None:
    """Log the summary of the run, unless its callback was removed, and write the run page."""
    summary, evaluation, found, cost = summary_of(training), training.evaluation, None, ""
    longer = longer_training(config, training, command="train", grace_steps=0 if evidence is None else evidence.grace_steps)
    if summary is not None and evidence is not None:
        found, cost = verdict(evidence), summary.cost(training.folder)
        advice = "" if found.word in (LEARNING, WORSE) else longer
        commands = next_commands(folder=training.folder, labeled=training.datamodule.labeled, longer=advice)
        lines = summary_lines(evidence, cost=cost, commands=commands)
        if found.word == WORSE:
            lines += advice_on_start(encoder=start_encoder(config), exported=exported == 0, folder=str(training.folder))
        for line in lines:
            logger.info("%s", line)
    queries = 0 if evaluation.measured is None else evaluation.measured.queries
    chance = {} if evaluation.measured is None else evaluation.measured.chance
    results = {"metrics": evaluation.metrics, "baseline": evaluation.baseline, "chance": chance}
    of_last = exported == training.trainer.global_step
    chosen = "" if of_last else f"backbone.safetensors is {f'the encoder of step {exported}' if exported else 'the start'}."
    ending = Ending(command="train", longer=longer, verdict=found, cost=cost, exported=chosen)
    finish_page(training, **results, queries=queries, intervals={}, ending=ending)


def longer_training(config: DictConfig, training: Any, *, command: str, grace_steps: int) -> str:
    """The command that continues a run for enough epochs to judge it; empty for a run without a number of epochs."""
    epochs, trainer = config.trainer.max_epochs or 0, training.trainer
    if epochs < 1:
        return ""
    steps = math.ceil(trainer.num_training_batches / trainer.accumulate_grad_batches)
    wanted = longer_epochs(epochs=epochs, steps_per_epoch=steps, grace_steps=grace_steps)
    return longer_command(folder=training.folder, command=command, epochs=wanted)


def report_finetuning(config: DictConfig, training: FineTuning, seconds: Mapping[str, float]) -> FinetuneResult:
    """Write results.json; after a test, write predictions.csv and confusion.csv and print the table."""
    folder, evaluation, result = training.folder, training.evaluation, Scores()
    tested: Mapping[str, int] = {}
    if evaluation.scores is not None and evaluation.logits is not None:
        scores, logits, manifest = evaluation.scores, evaluation.logits, training.datamodule.manifest("test")
        intervals, by_class = instantiate(config.bootstrap).intervals(scores), scores.by_class(training.datamodule.class_names)
        result = Scores(scores.metrics(), intervals, by_class={scores.of_class: by_class}, by_query={config.mode: scores})
        paths = [manifest.path(index) for index in range(len(manifest))]
        write_predictions(folder / TEST_FILES["predictions"], predictions(logits, path=paths, label=manifest.labels.tolist()))
        write_confusion(folder / TEST_FILES["confusion"], logits)
        tested = {"test_videos": len(manifest), "broken_test_videos": len(logits.broken)}
    encoder = {"origin": f"{config.mode}, from {config.encoder}", "path": config.encoder, "level_percent": config.bootstrap.level_percent}
    record = evaluation_record(
        name=config.name,
        found=result,
        provenance=provenance(config),
        timings_seconds=dict(seconds),
        encoder=encoder,
        choices=choices(config),
        queries=evaluation.logits,
    )
    with results_last(replace(record, training={**counts(training.trainer), **tested}), folder / RESULTS):
        if record.metrics:
            rich.get_console().print(evaluation_table(record))
        log_evaluation(training.trainer.loggers, metrics=result.metrics, intervals=result.intervals, page=None)
        queries = 0 if evaluation.logits is None else len(evaluation.logits)
        ending = Ending(command="finetune", longer=longer_training(config, training, command="finetune", grace_steps=0))
        finish_page(training, metrics=result.metrics, baseline={}, queries=queries, intervals=result.intervals, chance={}, ending=ending)
    logger.info("run folder: %s", folder)
    return finetuned(folder)


def counts(trainer: lightning.Trainer) -> dict[str, int]:
    """Durations of the run, for results.json."""
    return {"epochs": trainer.current_epoch, "steps": trainer.global_step, "processes": trainer.world_size}
