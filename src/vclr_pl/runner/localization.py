"""Localization in six stages. Each stage writes into the run folder, resumes, and skips finished work."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
import rich
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from vclr_pl.files import write_whole
from vclr_pl.localization.page import LabeledSegment, LocalizedVideo, localization_figures, localization_table
from vclr_pl.op.collective import from_first
from vclr_pl.report.outcomes import of_segments
from vclr_pl.report.record import RESULTS, ResultRecord, read_record, write_record
from vclr_pl.runner.moved_path import with_first_paths
from vclr_pl.runner.provenance import choices, provenance, write_config
from vclr_pl.runner.resume import LAST_CHECKPOINT, Hints, newest_usable, refuse_foreign_checkpoint, refuse_other_checkpoints
from vclr_pl.runner.suggestion import did_you_mean
from vclr_pl.runner.trainer import continue_loggers, make_trainer, refuse_absent_gpu, trainer_of
from vclr_pl.runner.training import running
from vclr_pl.types import InputError

logger = logging.getLogger(__name__)

STAGES = ("features", "resample", "train", "propose", "evaluate", "page")
ALONE = ("resample", "evaluate", "page")  # what the first process does while the others wait
PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")
FEATURES = "features"
MADE_OF = "localizer.json"
FEW_STEPS = 100
HINTS = Hints(
    another_network="Give the localizer, the positions and the features that it was trained with, or choose another name=...",
    weights_alone="Set checkpoint=FILE stages=[resample,propose,evaluate,page] for proposals of these weights.",
)


@dataclass
class Localization:
    """One folder, its data and its trainers; the methods are the stages."""

    config: DictConfig
    seconds: dict[str, float] = field(default_factory=dict)

    def run(self) -> None:
        """The chosen stages, in their order.

        Raises:
            InputError: an unknown stage, an unsupported precision, another command in the folder, or whatever a stage finds wrong.
        """
        stages = chosen_stages(list(self.config.stages))
        with running(self.folder):
            self._run(stages)

    def _run(self, stages: list[str]) -> None:
        refuse_absent_gpu(accelerator=self.config.trainer.accelerator)
        lightning.seed_everything(self.config.seed, workers=True, verbose=False)
        self._refuse_precision()
        self._gather()
        for stage in stages:
            started = time.perf_counter()
            logger.info("stage %s", stage)
            self._alone(stage) if stage in ALONE else getattr(self, stage)()
            self.reader.strategy.barrier()
            self.seconds[stage] = round(time.perf_counter() - started, 2)
        if self.reader.is_global_zero:
            write_config(self.config, self.folder)
            self._keep_seconds()
            logger.info("folder: %s", self.folder)

    @property
    def folder(self) -> Path:
        return Path(self.config.paths.run)

    @cached_property
    def data(self) -> Any:
        snippets = str(self.config.snippets or self.folder / FEATURES)
        return instantiate(self.config.snippet_data, snippets=snippets, resampled=str(self.folder / "resampled"))

    @cached_property
    def reader(self) -> lightning.Trainer:
        """Predicts: features, proposals."""
        return make_trainer(self.config, callbacks=[instantiate(self.config.progress)], loggers=[])

    @cached_property
    def proposing(self) -> Any:
        return instantiate(self.config.proposing, folder=str(self.folder / "proposals"))

    def features(self) -> None:
        """Stage 1: features along the videos; nothing where the features are a user's."""
        if self.config.snippets is not None:
            logger.info("features are taken from %s", self.config.snippets)
            return
        if self.config.encoder is None:
            raise InputError(
                expected="an encoder, or features", got="neither", hint="Set encoder=FILE (or random), or snippets=DIR with features."
            )
        backbone = instantiate(self.config.get("backbone"))
        encoder = instantiate(self.config.protocol).load(str(self.config.encoder), momentum=self.config.momentum, backbone=backbone)
        if self.reader.is_global_zero:
            logger.info("encoder: %s", encoder.origin)
            logger.info("view: %s", encoder.view.in_words)
        instantiate(self.config.extractor).extract(self.data.paths(), encoder=encoder, trainer=self.reader, output=self.folder / FEATURES)

    def resample(self) -> None:
        """Stage 2: features at equal positions."""
        known = self.data.identities
        extracted = [identity for identity in known if self.data.folder.file(identity) is not None]
        self.data.resample(known if self.config.snippets is not None else extracted or known)

    def train(self) -> None:
        """Stage 3: train the network; resumes after the last completed epoch, skipped if training is complete."""
        module = self._module()
        checkpoint, made_of, described = newest_usable(self.folder), self._made_of(), self.folder / MADE_OF
        refuse_other_checkpoints(checkpoint)
        if checkpoint is not None:
            stored = described.read_text() if described.is_file() else ""
            if stored != made_of:
                expected = f"{self.folder} to hold a localizer of the same features, annotations and options"
                raise InputError(expected=expected, got="one of others", hint=f"Choose another name=..., or remove {checkpoint.parent}.")
            refuse_foreign_checkpoint(checkpoint, state=module.state_dict(), epochs=None, hints=HINTS)
            loops = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)["loops"]
            epochs = loops["fit_loop"]["epoch_progress"]["current"]["processed"]  # an epoch that was stopped inside does not count
            if 0 < (self.config.trainer.max_epochs or 0) <= epochs:
                logger.info("trained for %d epochs: kept in %s", epochs, checkpoint)
                return
            logger.info("continuing from %s", checkpoint)
        callbacks = [instantiate(node) for node in self.config.callback.values() if node is not None]
        trainer = trainer_of(self.config, callbacks=callbacks)
        if trainer.is_global_zero:
            continue_loggers(trainer, checkpoint=checkpoint)
        loader = self.data.training_loader(seed=self.config.seed, trainer=trainer)
        if trainer.is_global_zero:
            write_whole(described, made_of)
            millions = sum(parameter.numel() for parameter in module.parameters()) / 1e6
            size = f"{millions:.2f} M parameters on {len(loader.dataset)} videos, {len(loader)} steps an epoch"
            logger.info("training %s; writing into %s", size, self.folder)
            if trainer.world_size > 1:
                share = f"{trainer.world_size * loader.batch_size} videos a step in all, {loader.batch_size} in each"
                logger.info("%d processes: %s; the learning rate is as given", trainer.world_size, share)
            if 0 < (steps := len(loader) * (trainer.max_epochs or 0)) < FEW_STEPS:
                logger.warning("%d steps in all are few to learn from: raise trainer.max_epochs, or lower batches.batch_size", steps)
        if trainer.log_every_n_steps > len(loader):  # type: ignore[attr-defined]
            trainer.log_every_n_steps = 1  # type: ignore[attr-defined]
        trainer.fit(module, train_dataloaders=loader, ckpt_path=checkpoint)

    def propose(self) -> None:
        """Stage 4: proposals of the judged subset."""
        module = self._module()
        path = self.folder / LAST_CHECKPOINT if self.config.checkpoint is None else Path(self.config.checkpoint).expanduser()
        if not path.is_file():
            raise InputError(expected="a trained localizer", got=f"no {path}", hint="Run the stage train first, or set checkpoint=FILE.")
        instantiate(self.config.localizer_reader)(module.localizer, path)
        status = path.stat()
        self.proposing.propose(
            localizer=module.localizer,
            loader=self.data.reading_loader,
            covered_seconds=self.data.covered,
            identities=[video.identity for video in self.data.judged],
            made_of=f"{path} {status.st_size} {status.st_mtime_ns} {self._options('localizer')} {self.data.digest(self.data.judged)}",
            trainer=self.reader,
        )

    def evaluate(self) -> None:
        """Stage 5: metrics, and those of evenly spaced proposals for comparison."""
        scores = self._class_scores()
        truth = self.data.truth()
        if scores is None:
            logger.info("no class scores of whole videos (a recognizer's logits, or class_scores=FILE): recall without mAP")
        durations = {video.identity: video.duration_seconds for video in self.data.judged}
        found = self.proposing.figures(truth=truth, class_scores=scores, durations_seconds=durations)
        described = choices(self.config)
        record = ResultRecord(
            name=self.config.name,
            metrics=found.metrics,
            baseline=found.baseline,
            baseline_name="evenly spaced proposals",
            provenance=provenance(self.config),
            timings_seconds={},
            training={"videos": len(self.data.judged), "judged": len(truth), "subset": self.config.subset},
            choices=described,
            outcomes=of_segments(found.recall.recalled, weights=found.recall.segments, drawn_by=described.get("videos", "")),
        )
        write_record(record, self.folder / RESULTS)
        rich.get_console().print(localization_table(record))

    def page(self) -> None:
        """Stage 6: a page a video, and an index."""
        if self.config.get("page") is None:
            return
        pages, proposed = instantiate(self.config.page), self.proposing.proposed()
        videos = {video.identity: video for video in self.data.judged if video.identity in proposed}
        chosen = pages.chosen(list(videos))
        manifest = self.data.manifest(chosen)
        pictures = {} if manifest is None else instantiate(self.config.preview).pictures(manifest, range(len(chosen)))
        shown = [
            LocalizedVideo(
                identity=identity,
                duration_seconds=videos[identity].duration_seconds,
                covered_seconds=self.data.covered[identity],
                segments=[LabeledSegment(one.label, one.start_seconds, one.end_seconds) for one in videos[identity].segments],
                proposals=proposed[identity].proposals,
                start=proposed[identity].start,
                end=proposed[identity].end,
                pictures=pictures.get(place),
            )
            for place, identity in enumerate(chosen)
        ]
        record = read_record(self.folder / RESULTS) if (self.folder / RESULTS).is_file() else None
        figures = [] if record is None else localization_figures(record.metrics, record.baseline)
        index = pages.write(self.folder / "pages", shown, figures=figures, notes=self._notes(len(shown), len(videos)))
        logger.info("pages of %d videos: %s", len(shown), index)

    def _refuse_precision(self) -> None:
        precision = str(self.reader.precision)
        if precision not in PRECISIONS:
            raise InputError(
                expected=f"trainer.precision of {', '.join(PRECISIONS)}", got=precision, hint="Set trainer.precision=bf16-mixed."
            )

    def _gather(self) -> None:
        """All processes from here on: the barriers between stages hold nobody back before there is a group."""
        strategy = self.reader.strategy
        if self.reader.world_size > 1 and strategy.launcher is not None:
            strategy.launcher.launch(strategy.setup_environment, trainer=self.reader)

    def _alone(self, stage: str) -> None:
        """In the first process, while the others wait; a mistake that it finds ends all of them."""
        from_first(getattr(self, stage))

    def _module(self) -> Any:
        """Seeded anew, so that the network's start does not depend on which stages ran before."""
        lightning.seed_everything(self.config.seed, workers=True, verbose=False)
        localizer = instantiate(self.config.localizer)(feature_dim=self.data.feature_dim)
        return instantiate(self.config.localizer_module)(localizer=localizer)

    def _made_of(self) -> str:
        options = self._options("localizer", "localizer_module", "batches", "seed")
        return json.dumps({"options": options, "data": self.data.digest(self.data.trained)}, indent=2) + "\n"

    def _options(self, *names: str) -> str:
        """Sixteen hexadecimal digits of these nodes, resolved."""
        every = with_first_paths(OmegaConf.to_container(self.config, resolve=True))
        assert isinstance(every, dict)
        return hashlib.sha256(json.dumps([every[name] for name in names], sort_keys=True).encode()).hexdigest()[:16]

    def _class_scores(self) -> Any:
        if self.config.class_scores is None or Path(self.config.class_scores).expanduser().is_dir():
            return self.data.class_scores(logits=self.config.class_scores)
        read = instantiate(self.config.class_scores_reader)
        return read(Path(self.config.class_scores).expanduser(), known=self.data.untrimmed.class_names)

    def _notes(self, shown: int, judged: int) -> list[str]:
        part = "" if shown == judged else f"; {shown} at equal distances in the list have a page"
        described = self.data.folder.description()
        features = described.get("origin", str(self.data.folder.path))
        if "crop_pixels" in described:
            side = described["short_side_pixels"]
            of = "the stored size" if side is None else f"a short side of {side} pixels"
            features += f"; of each frame the center crop of {described['crop_pixels']} pixels from {of}, not the whole frame"
        return [
            f"{judged} videos of the subset {self.config.subset}{part}.",
            f"Features: {features}",
            "A score is the product of the probabilities of start and end and of the proposal's two, after soft-NMS.",
            f"Seed {self.config.seed}.",
        ]

    def _keep_seconds(self) -> None:
        path = self.folder / RESULTS
        if path.is_file():
            record = read_record(path)
            record.timings_seconds.update(self.seconds)
            write_record(record, path)


def chosen_stages(named: list[str]) -> list[str]:
    """In their order.

    Raises:
        InputError: an unknown stage, or none.
    """
    unknown = [name for name in named if name not in STAGES]
    if unknown or not named:
        raise InputError(
            expected=f"stages of {', '.join(STAGES)}",
            got=f"stages=[{','.join(named)}]",
            hint=did_you_mean(unknown[0], STAGES) if unknown else "Name one at least.",
        )
    return [name for name in STAGES if name in named]
