"""The commands as functions: keyword arguments in, a typed result out.

Every option of a command is a keyword: `seed=1`, `backbone="resnet18"` for a group, `trainer={"max_epochs": 10}` for options of a
group, `**{"trainer.max_epochs": 10}` for the same by its dotted name, `weight=None` for null, and a mapping with `_target_` for a node
of one's own. `overrides` are further words in the command line's own grammar. Configs are composed and checked as for the commands.

All functions raise InputError for whatever the command would refuse in one line. They change neither the working folder nor signal
handlers nor logging; messages go into the run folder's log file, and to the console where the program has set up no logging.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, cast

from vclr_pl.command.result import (
    CheckResult,
    CompareResult,
    ConvertResult,
    EmbedResult,
    EvaluateResult,
    FinetuneResult,
    LocalizeResult,
    PrepareResult,
    ReproduceResult,
    RetrieveResult,
    TrainResult,
    VisualizeResult,
)
from vclr_pl.runner.python_call import call, composed_node, in_grammar

if TYPE_CHECKING:  # they import torch
    from vclr_pl.data.datamodule import VideoDataModule
    from vclr_pl.pretrain.vclr_module import VCLRModule

File = str | PathLike[str]
Option = bool | int | float | str | PathLike[str] | Sequence[Any] | Mapping[str, Any] | None


def train(*, experiment: str | None = None, overrides: Sequence[str] = (), **options: Option) -> TrainResult:
    """Pretrain a video encoder, and evaluate it where the data has labels.

    Args:
        experiment: such as `ucf101` or `folder`; without it the one for the data, or the demo without data.
        options: of `python -m vclr_pl.train --help`.
        overrides: as on the command line.

    >>> tiny = {"trainer": {"max_epochs": 1, "accelerator": "cpu"}, "loader": {"batch_size": 2}, "transform": {"size_pixels": 32}}
    >>> result = train(data={"root": "videos"}, backbone="small_resnet", evaluation={"enabled": False}, **tiny)
    >>> result.encoder.feature_dim
    128
    >>> result.backbone.name
    'backbone.safetensors'
    """
    chosen = {} if experiment is None else {"experiment": experiment}
    return cast(TrainResult, _do("training", "train", {**chosen, **options}, overrides))


def finetune(*, encoder: File, experiment: str | None = None, overrides: Sequence[str] = (), **options: Option) -> FinetuneResult:
    """Fine-tune an encoder, or with `mode="linear"` a linear layer on it, for action recognition; test it where the data has a test list.

    Args:
        encoder: a run folder, a checkpoint, an export, a published file, or `random`.
        experiment: such as `finetune/ucf101_tsn`; without it `finetune/folder`.
        options: of `python -m vclr_pl.finetune --help`.
        overrides: as on the command line.
    """
    chosen = {} if experiment is None else {"experiment": experiment}
    return cast(FinetuneResult, _do("training", "finetune", {"encoder": encoder, **chosen, **options}, overrides))


def evaluate(*, encoder: File, overrides: Sequence[str] = (), **options: Option) -> EvaluateResult:
    """Evaluate an encoder by retrieval, kNN and a linear probe, with intervals; write a page of nearest videos.

    Args:
        encoder: a run folder, a checkpoint, an export, a published file, or `random`.
        options: of `python -m vclr_pl.evaluate --help`.
        overrides: as on the command line.
    """
    return cast(EvaluateResult, _do("evaluation", "evaluate", {"encoder": encoder, **options}, overrides))


def compare(*, encoders: Sequence[File] | Mapping[str, File], overrides: Sequence[str] = (), **options: Option) -> CompareResult:
    """Compare encoders by one protocol: every measure with intervals, and paired differences from the first; a CSV table and a page.

    Args:
        encoders: as of `evaluate`, in a list or by the names that they get in the table.
        options: of `python -m vclr_pl.compare --help`.
        overrides: as on the command line.
    """
    return cast(CompareResult, _do("comparison", "compare", options, [f"encoders={in_grammar(encoders)}", *overrides]))


def embed(*, encoder: File, overrides: Sequence[str] = (), **options: Option) -> EmbedResult:
    """Compute one feature for each video, or find them stored.

    Args:
        encoder: a run folder, a checkpoint, an export, a published file, or `random`.
        options: of `python -m vclr_pl.embed --help`.
        overrides: as on the command line.

    >>> import numpy
    >>> result = embed(encoder="random", backbone="small_resnet", data={"root": "videos"}, trainer="cpu", output="features")
    >>> numpy.load(result.features["train"] / "features.npy").shape
    (4, 128)
    >>> embed(encoder="random", backbone="small_resnet", data={"rot": "videos"})
    Traceback (most recent call last):
    vclr_pl.types.InputError: expected a known key or group; got data.rot. Did you mean data.root or data?
    """
    return cast(EmbedResult, _do("features", "embed", {"encoder": encoder, **options}, overrides))


def retrieve(*, encoder: File, overrides: Sequence[str] = (), **options: Option) -> RetrieveResult:
    """Find the nearest videos of a collection (`gallery`) for each `query`, or with `duplicates=True` its near duplicates.

    Args:
        encoder: a run folder, a checkpoint, an export, a published file, or `random`.
        options: of `python -m vclr_pl.retrieve --help`.
        overrides: as on the command line.
    """
    return cast(RetrieveResult, _do("features", "retrieve", {"encoder": encoder, **options}, overrides))


def localize(*, experiment: str | None = None, overrides: Sequence[str] = (), **options: Option) -> LocalizeResult:
    """Localize actions in untrimmed videos (BMN); each stage resumes and skips finished work.

    Args:
        experiment: such as `localize/activitynet`.
        options: of `python -m vclr_pl.localize --help`.
        overrides: as on the command line.
    """
    chosen = {} if experiment is None else {"experiment": experiment}
    return cast(LocalizeResult, _do("localization", "localize", {**chosen, **options}, overrides))


def check(*, overrides: Sequence[str] = (), **options: Option) -> CheckResult:
    """Read every video file of a data set.

    Args:
        options: of `python -m vclr_pl.check --help`.
        overrides: as on the command line.

    >>> check(data={"root": "videos"}).unreadable
    ()
    """
    return cast(CheckResult, _do("files", "check", options, overrides))


def prepare(*, output: File, overrides: Sequence[str] = (), **options: Option) -> PrepareResult:
    """Copy a data set with smaller videos and keyframes close together.

    Args:
        output: the folder of the copy.
        options: of `python -m vclr_pl.prepare --help`.
        overrides: as on the command line.
    """
    return cast(PrepareResult, _do("files", "prepare", {"output": output, **options}, overrides))


def visualize(*, encoder: File | Sequence[File], overrides: Sequence[str] = (), **options: Option) -> VisualizeResult:
    """Draw activation maps of one or several encoders on videos.

    Args:
        encoder: as of `embed`, or several to compare.
        options: of `python -m vclr_pl.visualize --help`.
        overrides: as on the command line.
    """
    return cast(VisualizeResult, _do("maps", "visualize", {"encoder": encoder, **options}, overrides))


def reproduce(*, table: str = "demo", overrides: Sequence[str] = (), **options: Option) -> ReproduceResult:
    """Do the runs of a table of the paper that have not finished; its cells are our figures beside the published ones.

    Args:
        table: `linear`, `retrieval`, `recognition`, `localization`, `ablation`, `demo`, `terms` or `imagenet`.
        options: of `python -m vclr_pl.reproduce --help`; `plan=True` does no run.
        overrides: as on the command line.
    """
    return cast(ReproduceResult, _do("reproduction", "reproduce", {"table": table, **options}, overrides))


def convert(*, input: File, to: str, output: File, overrides: Sequence[str] = (), **options: Option) -> ConvertResult:
    """Write the weights of a run or file in another form, or its network as ONNX.

    Args:
        input: a run folder or a file.
        to: the form, such as `torchvision`, `timm` or `onnx`.
        output: the file to write.
        options: of `python -m vclr_pl.convert --help`.
        overrides: as on the command line.
    """
    return cast(ConvertResult, _do("weights", "convert", {"input": input, "to": to, "output": output, **options}, overrides))


def published_module(*, overrides: Sequence[str] = (), **options: Option) -> VCLRModule:
    """A VCLRModule with the published defaults, for a Trainer of one's own.

    Args:
        options: of `python -m vclr_pl.train --help`, groups such as `backbone`, `objective`, `optimizer`.
        overrides: as on the command line.

    >>> module = published_module(backbone="resnet18", queue={"inter.length": 256, "segment.length": 256})
    >>> module.encoder.feature_dim, list(module.objective.terms)
    (512, ['inter_frame', 'intra_frame', 'segment_contrast', 'temporal_order'])
    """
    return cast("VCLRModule", _published("module", {"data.root": ".", **options}, overrides))


def published_data(*, root: File = ".", splits: object = None, overrides: Sequence[str] = (), **options: Option) -> VideoDataModule:
    """A VideoDataModule with the published sampling and augmentation, for a Trainer of one's own.

    Args:
        root: the folder of the videos; `data="ucf101"` and the like choose a layout.
        splits: the videos themselves in place of `root`: VideoSplits, a list of (path, label), or a data set of pytorchvideo.
        options: of `python -m vclr_pl.train --help`, groups such as `loader`, `sampling`, `transform`.
        overrides: as on the command line.

    >>> data = published_data(root="videos", loader={"batch_size": 2, "workers": 0})
    >>> batch = next(iter(data.train_dataloader()))
    >>> tuple(batch.views.shape)
    (2, 7, 3, 224, 224)
    >>> len(published_data(splits=[("videos/a.mp4", 0), ("videos/b.mp4", 1)]).manifest("train"))
    2
    """
    given = {} if splits is None else {"splits": splits}
    return cast("VideoDataModule", _published("datamodule", {"data.root": root, **options}, overrides, given))


def _do(module: str, command: str, options: Mapping[str, Option], overrides: Sequence[str]) -> object:
    """Call a command. The module with its work imports torch: it is imported once the config is checked."""
    return call(f"vclr_pl.command.{module}.{command}", config_name=command, options=options, overrides=overrides)


def _published(node: str, options: Mapping[str, Option], overrides: Sequence[str], given: Mapping[str, object] | None = None) -> object:
    """One node of the pretraining config without an experiment: the groups' defaults are the published ones."""
    return composed_node(node, config_name="train", options={"experiment": None, **options}, overrides=overrides, given=given)
