"""Every shipped config is found, composed and instantiated; the options are those of the frozen list."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from tests.config.finetuning_choices import OF_FINETUNING

from vclr_pl.config_path import config_folder
from vclr_pl.runner.command_line import understood
from vclr_pl.runner.composition import register_resolvers
from vclr_pl.runner.group import group_names, option_names
from vclr_pl.runner.log import warning_filters
from vclr_pl.runner.schema import refuse_unknown_keys

CONF = config_folder()
FROZEN = Path(__file__).with_name("options.txt")
CHOICES = sorted(
    path.relative_to(CONF).with_suffix("").as_posix() for path in CONF.rglob("*.yaml") if path.parent != CONF and "hydra" not in path.parts
)
NESTED = [choice for choice in CHOICES if choice.count("/") == 2]
EXPERIMENTS = [choice for choice in CHOICES if choice.startswith("experiment/")]
TRAIN_DEFAULTS = [entry for entry in yaml.safe_load((CONF / "train.yaml").read_text())["defaults"] if isinstance(entry, dict)]
TRAIN_GROUPS = {group for entry in TRAIN_DEFAULTS for group in entry}
OF_FRAMES = ("evaluation/attentive_probe",)  # of evaluate and compare: tests/integration/test_compare.py
OTHERS = (*NESTED, *OF_FINETUNING, *OF_FRAMES)
PRETRAINING = [choice for choice in CHOICES if choice.split("/")[0] in TRAIN_GROUPS and choice not in OTHERS]
PUBLISHED = {
    "module.backbone.name": "resnet50",
    "head.dim": 128,
    "sampling.segments": 3,
    "sampling.frames_per_clip": 1,
    "objective.terms.inter_frame.temperature": 0.1,
    "objective.terms.intra_frame.temperature": 0.1,
    "objective.terms.segment_contrast.temperature": 0.1,
    "objective.terms.inter_frame.weight": 1.0,
    "objective.terms.intra_frame.weight": 1.0,
    "objective.terms.segment_contrast.weight": 1.0,
    "objective.terms.temporal_order.weight": 1.0,
    "objective.terms.temporal_order.normalize_over": "segment",
    "encoding._target_": "vclr_pl.pretrain.view_encoding.SharedEncoding",
    "queue.inter.length": 131072,
    "queue.segment.length": 131072,
    "queue.inter.initialization": "release",
    "queue.inter.mask_own_video": False,
    "momentum_encoder.momentum": 0.999,
    "optimizer.lr": 0.1,
    "optimizer.reference_batch_size": 256,
    "optimizer.momentum": 0.9,
    "optimizer.weight_decay": 1e-4,
    "trainer.max_epochs": 400,
    "schedule.warmup_epochs": 5,
    "schedule.warmup_multiplier": 100,
    "schedule.minimum_lr": 1e-6,
    "loader.batch_size": 32,
    "transform.size_pixels": 224,
    "transform.scale": [0.2, 1.0],
    "color_augmentation.brightness": 0.4,
    "color_augmentation.contrast": 0.4,
    "color_augmentation.saturation": 0.4,
    "color_augmentation.hue": 0.1,
    "color_augmentation.jitter_probability": 0.8,
    "color_augmentation.gray_probability": 0.2,
    "color_augmentation.blur_sigma_pixels": [0.1, 2.0],
    "color_augmentation.blur_probability": 0.5,
    "color_augmentation.flip_probability": 0.5,
    "color_augmentation.mean": [0.485, 0.456, 0.406],
    "color_augmentation.std": [0.229, 0.224, 0.225],
    "evaluation_view.frames": 30,
    "evaluation_view.crop_pixels": 224,
    "evaluation_view.short_side_pixels": None,
    "evaluation.measures.linear_probe.regularization_c": 1.0,
    "evaluation.measures.retrieval.ranks": [1, 5, 10, 20, 50],
}
SLIGHT = ["queue.inter.length=256", "queue.segment.length=256", "data.root=here"]


@pytest.fixture(autouse=True, scope="module")
def hydra_reads_conf() -> Iterator[None]:
    register_resolvers()
    with initialize_config_dir(config_dir=str(CONF), version_base="1.3"):
        yield


@pytest.fixture(autouse=True)
def quiet() -> None:
    warning_filters()


def composed(*overrides: str) -> DictConfig:
    return compose("train", overrides=["paths.run=run", *overrides])


def overrides_of(choice: str) -> list[str]:
    """What selects one file of conf/ on the command line, and what it needs on a machine without GPU and data."""
    group, _, name = choice.rpartition("/")
    needs = {
        "weight": [] if name in ("pretrained", "imagenet") else ["weight.path=weights.pth"],
        "backbone/timm": ["backbone.name=convnext_atto"],
        "backbone/torchvision": ["backbone.name=shufflenet_v2_x0_5"],
        "data/video_list": ["data.train=list.csv"],
        "trainer/gpu": ["trainer.accelerator=cpu"],
        "trainer/ddp": ["trainer.accelerator=cpu", "trainer.devices=2"],
    }
    return [f"{group}={name}", *needs.get(group, []), *needs.get(choice, []), *SLIGHT]


MEASURES = ("attentive_probe", "linear_probe", "logistic_probe", "made_copies", "nearest_neighbor", "rank_me", "retrieval")


TERMS = ("byol", "inter_frame", "intra_frame", "nearest_neighbor", "segment_contrast", "temporal_order")


def test_the_count_of_shipped_files():
    assert len(PRETRAINING) == 96
    assert len(EXPERIMENTS) == 20
    assert [
        *(f"data/appearance/{name}" for name in ("default", "drawn", "gray", "thermal", "tiny")),
        *(f"evaluation/measure/{name}" for name in MEASURES),
        *(f"objective/term/{name}" for name in TERMS),
    ] == [choice for choice in NESTED if choice not in OF_FINETUNING and not choice.startswith("experiment/localize/")]


@pytest.mark.parametrize("path", sorted(CONF.rglob("*.yaml")), ids=lambda path: path.relative_to(CONF).as_posix())
def test_a_file_says_first_what_it_is(path):
    lines = [line for line in path.read_text().splitlines() if not line.startswith("# @package")]
    assert lines[0].startswith("# ")
    group = path.relative_to(CONF).parts
    if len(group) == 2 and group[0] not in ("experiment", "hydra"):
        assert lines[0].startswith(f"# {group[0]}={path.stem}")
    if group[0] == "experiment":
        entry = group[1] if len(group) == 3 else "train"
        assert lines[0].startswith(f"# python -m vclr_pl.{entry}")


@pytest.mark.parametrize("choice", PRETRAINING)
def test_it_composes_and_instantiates(choice, tmp_path, request):
    """Everything but the videos: the data nodes read a disk, and are tried on one in tests/unit/data/split."""
    if choice == "decoding/torchcodec":
        request.getfixturevalue("torchcodec_works")
    if choice in ("logger/tensorboard", "logger/mlflow"):
        package = choice.partition("/")[2]
        pytest.importorskip(package, reason=f"{package} is an option: pip install {package}")
    group = choice.split("/")[0]
    config = composed(*overrides_of(choice), f"paths.run={tmp_path}")
    refuse_unknown_keys(config, config_name="train")
    module = instantiate(config.module)
    assert {"inter", "segment"} >= set(module.queues)
    for name in ("sampling", "decoding", "transform", "color_augmentation", "evaluation_view", "loader", "evaluation"):
        assert instantiate(config[name]) is not None
    callbacks = [instantiate(node) for node in config.callback.values()]
    loggers = [instantiate(node) for node in config.logger.values()]
    trainer = instantiate(config.trainer, callbacks=callbacks, logger=loggers)
    assert trainer.max_epochs == (1 if choice == "debug/one_batch" else config.trainer.max_epochs)
    if group == "weight":
        assert callable(instantiate(config.weight).load_into)


@pytest.mark.parametrize("experiment", ["ucf101", "hmdb51", "kinetics400", "ssv2", "activitynet", "folder"])
def test_the_published_figures_are_the_defaults(experiment):
    config = composed(f"experiment={experiment}", "data.root=here")
    if experiment == "folder":  # videos of any size are resized for the evaluation
        assert config.evaluation_view.short_side_pixels == 256
        config.evaluation_view.short_side_pixels = None
    found = {key: OmegaConf.select(config, key) for key in PUBLISHED}
    assert {key: OmegaConf.to_container(value) if OmegaConf.is_config(value) else value for key, value in found.items()} == PUBLISHED
    assert list(config.objective.terms) == ["inter_frame", "intra_frame", "segment_contrast", "temporal_order"]
    assert config.name == experiment


def test_the_network_has_the_published_size():
    """41.35 M parameters, 17.84 M of them heads; the order classifier maps 768 to 4."""
    module = instantiate(composed("experiment=ucf101", *SLIGHT).module)
    encoder = sum(parameter.numel() for parameter in module.encoder.parameters())
    heads = sum(parameter.numel() for parameter in module.encoder.heads.parameters())
    classifier = sum(parameter.numel() for parameter in module.objective.parameters())
    heads, encoder = heads + classifier, encoder + classifier
    assert (round(heads / 1e6, 2), round(encoder / 1e6, 2)) == (17.84, 41.35)
    assert module.objective.terms["temporal_order"].classifier.weight.shape == (4, 768)


@pytest.mark.parametrize(
    ("objective", "terms", "queues"),
    [
        ("vclr", ["inter_frame", "intra_frame", "segment_contrast", "temporal_order"], {"inter", "segment"}),
        ("seco", ["inter_frame", "intra_frame", "temporal_order"], {"inter"}),
        ("inter_only", ["inter_frame"], {"inter"}),
        ("segment_only", ["segment_contrast"], {"segment"}),
        ("clip_contrast", ["segment_contrast"], {"segment"}),
        ("byol", ["byol"], set()),
    ],
)
def test_an_objective_brings_its_own_queues(objective, terms, queues):
    config = composed(f"objective={objective}")
    assert list(config.objective.terms) == terms
    assert set(instantiate(config.module).queues) == queues


def chosen(*words: str) -> tuple[object, ...]:
    """Of a composed run: the sampler, batch norm in the head, and the momentum at its end."""
    config = composed(*words)
    return config.sampling._target_.rpartition(".")[2], config.head.get("batch_norm"), config.momentum_encoder.final_momentum


@pytest.mark.parametrize("experiment", ["demo", "folder", "ucf101"])
def test_an_objective_chooses_other_groups_unless_the_user_does(experiment):
    base = [f"experiment={experiment}", "data.root=here"]
    assert chosen(*base) == chosen(*base, "objective=segment_only") == ("SegmentClipSampler", None, None)
    assert chosen(*base, "objective=clip_contrast") == ("LocalClips", None, None)
    assert chosen(*base, "objective=byol") == ("SegmentClipSampler", True, 1.0)
    own = ["sampling=segments", "head=mlp", "momentum_encoder=ema"]
    for words in (["objective=clip_contrast", *own], [*own, "objective=byol"]):
        assert chosen(*base, *words) == ("SegmentClipSampler", None, None)
    assert chosen(*base, "objective=byol", "head.batch_norm=false", "momentum_encoder.final_momentum=null")[1:] == (False, None)


def test_clip_contrast_differs_from_segment_only_in_the_sampler_alone():
    """Which makes it the test of the paper's claim about positives over the whole video."""
    clips, segments = (OmegaConf.to_container(composed(f"objective={name}")) for name in ("clip_contrast", "segment_only"))
    differing = {name for name in clips if clips[name] != segments[name]}
    assert differing == {"sampling"}
    shared = set(clips["sampling"]) & set(segments["sampling"]) - {"_target_"}
    assert {name: clips["sampling"][name] for name in shared} == {name: segments["sampling"][name] for name in shared}


def test_the_demo_is_the_default():
    config = composed()
    assert (config.name, config.backbone._target_) == ("demo", "vclr_pl.backbone.resnet.SmallResNet")
    assert config.optimizer.lr * config.loader.batch_size / config.optimizer.reference_batch_size == pytest.approx(0.02)
    assert config.schedule.warmup_epochs == pytest.approx(0.1 * config.trainer.max_epochs)


@pytest.mark.parametrize("experiment", ["ucf101", "hmdb51", "kinetics400", "ssv2", "activitynet"])
def test_the_papers_experiments_have_its_global_batch(experiment):
    config = composed(f"experiment={experiment}", "data.root=here")
    assert (config.loader.global_batch_size, config.optimizer.reference_batch_size, config.trainer.devices) == (256, 256, "auto")
    assert composed("experiment=folder", "data.root=here").loader.global_batch_size is None


def test_a_gpu_is_fast_by_default_and_exact_on_request():
    config = composed("experiment=ucf101", "data.root=here")
    assert (config.runtime.tf32, config.trainer.benchmark) == (True, True)
    published = composed("experiment=ucf101", "data.root=here", "trainer.precision=32-true", "runtime.tf32=false")
    assert (published.runtime.tf32, published.trainer.precision) == (False, "32-true")


def test_the_command_line_wins_over_the_experiment():
    config = composed("experiment=ucf101", "backbone=resnet18", "loader.batch_size=4")
    assert (config.backbone.name, config.loader.batch_size, config.name) == ("resnet18", 4, "ucf101")


def test_the_demo_is_evaluated_at_the_size_that_it_is_rendered_at():
    config = composed("experiment=demo")
    assert config.evaluation_view.short_side_pixels == config.data.size_pixels == 56


@pytest.mark.parametrize(
    ("command", "words", "node"),
    [
        ("train", ["data=demo", "data/appearance=thermal"], "data"),
        ("train", ["experiment=demo", "data=demo_untrimmed_large", "data/appearance=thermal"], "data"),
        ("evaluate", ["data=demo_large", "data/appearance=thermal"], "data"),
        ("compare", ["data/appearance=thermal", "data=demo"], "data"),
        ("finetune", ["experiment=finetune/demo", "data/appearance=thermal"], "data"),
        ("retrieve", ["data=demo", "data/appearance=thermal"], "gallery"),
        ("localize", ["experiment=localize/demo", "data/appearance@untrimmed.appearance=thermal"], "untrimmed"),
    ],
)
def test_an_appearance_is_chosen_in_each_command(command, words, node):
    appearance = compose(command, overrides=["paths.run=run", *understood(words, config_name=command)])[node].appearance
    assert (appearance.style, appearance.noise, appearance.contrast_range) == ("thermal", 0.03, [0.6, 0.9])
    assert appearance.copies == 4


@pytest.mark.parametrize("data", ["demo_large", "demo_untrimmed", "demo_untrimmed_large"])
def test_the_demos_experiment_is_that_of_its_other_sizes(data):
    assert composed(*understood([f"data={data}"], config_name="train")).name == "demo"


def test_the_options_are_frozen():
    """Adding, renaming or removing an option is a decision: VCLR_FREEZE=1 in the environment writes the list anew."""
    entries = {path.stem: [compose(path.stem)] for path in CONF.glob("*.yaml")}
    entries["train"] = [composed(f"experiment={experiment}") for experiment in ("demo", "ucf101", "folder")]
    entries["finetune"] = [
        compose("finetune", overrides=["paths.run=run", f"experiment=finetune/{name}"]) for name in ("folder", "ssv2_tsm")
    ]
    options = {f"{entry} {name}" for entry, configs in entries.items() for config in configs for name in option_names(config)}
    found = [f"group {name}" for name in group_names() if not name.startswith("hydra")] + sorted(options)
    if os.environ.get("VCLR_FREEZE"):
        FROZEN.write_text("\n".join(found) + "\n")
    assert found == FROZEN.read_text().splitlines()
