"""Runs one `train` case of a fixture through the project's own classes and records what the fixture records."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from tests.parity import recipe
from torch import Tensor
from torch import distributed as dist

from vclr_pl.backbone.resnet import resnet
from vclr_pl.encoder.momentum_contrast import MomentumEncoder, NegativeQueue
from vclr_pl.encoder.video_encoder import EncoderRuntime, ProjectionHead
from vclr_pl.objective.terms import InterFrame, IntraFrame, SegmentContrast, TemporalOrder, WeightedSum
from vclr_pl.op.collective import world_size
from vclr_pl.op.contrast import ema_update
from vclr_pl.op.shuffle import Shuffle
from vclr_pl.optim.optimizer import LinearScaledSGD
from vclr_pl.optim.schedule import WarmupCosine
from vclr_pl.pretrain.vclr_module import VCLRModule
from vclr_pl.pretrain.view_encoding import SeparateEncoding, ViewEncoding
from vclr_pl.types import SegmentViews
from vclr_pl.weights.key_map import load_by_name, renamed, reversed_prefixes
from vclr_pl.weights.pretraining import PREFIXES

TERM_OF = {"inter": "inter_frame", "intra": "intra_frame", "segment": "segment_contrast", "order": "temporal_order"}


def build_module(config: dict[str, Any], *, encoding: ViewEncoding | None = None) -> VCLRModule:
    """The module of a case in float64, with the weights and queues that the recipe draws."""
    dim, queue = config["dim"], config["queue"]
    terms = {
        "inter_frame": InterFrame(weight=1.0, temperature=config["t"]),
        "intra_frame": IntraFrame(weight=1.0, temperature=config["t_intra"]),
        "temporal_order": TemporalOrder(weight=1.0, segments=3, dim=dim, normalize_over="segment"),
        "segment_contrast": SegmentContrast(weight=1.0, temperature=config["t"]),
    }
    make_queue = partial(NegativeQueue, length=queue, initialization="release", mask_own_video=False)
    module = VCLRModule(
        backbone=resnet(name=config["arch"]),
        head=partial(ProjectionHead, dim=dim),
        objective=WeightedSum(terms=terms),
        encoding=encoding or SeparateEncoding(),
        momentum_encoder=partial(MomentumEncoder, momentum=config["alpha"], copy_buffers=True),
        queue={"inter": make_queue, "segment": make_queue},
        optimizer=LinearScaledSGD(lr=config["lr"], reference_batch_size=256, momentum=0.9, weight_decay=1e-4),
        schedule=WarmupCosine(warmup_epochs=0, warmup_multiplier=100, minimum_lr=1e-6),
        runtime=EncoderRuntime(channels_last=False, compile=False),
    ).double()
    load_published(module, salt=config["salt"])
    for name in ("inter", "segment"):
        module.queues[name].rows.copy_(recipe.initial_queue(f"queue_{name}", config))
    return module


def published_names(module: VCLRModule) -> dict[str, Tensor]:
    """Query encoder and classifier by their published names."""
    own = {name: value for name, value in module.state_dict(keep_vars=True).items() if name.startswith(("encoder.", "objective."))}
    return renamed(own, reversed_prefixes(PREFIXES))


def momentum_names(module: VCLRModule) -> dict[str, Tensor]:
    """The momentum encoder by the published names."""
    own = {f"encoder.{name}": value for name, value in module.momentum_encoder.encoder.state_dict(keep_vars=True).items()}
    return renamed(own, reversed_prefixes(PREFIXES))


def load_published(module: VCLRModule, *, salt: int) -> None:
    shapes = {name: tuple(value.shape) for name, value in published_names(module).items()}
    drawn = recipe.published_state_dict(shapes, salt)
    report = load_by_name(module, renamed(drawn, PREFIXES), path="the recipe")
    assert not report.missing
    assert not report.unused
    module.momentum_encoder.restart(module.encoder)


def segment_views(config: dict[str, Any], *, step: int, rank: int, choices: dict[str, Any]) -> SegmentViews:
    """The batch of one rank and step, and a check that it is what `recipe.training_batch` says."""
    batch, pixels, salt = config["batch"], config["pixels"], config["salt"]
    query, key = (recipe.draw(f"{name}/step{step}/rank{rank}", (batch, 3, 3, pixels, pixels), salt) for name in ("q_frames", "k_frames"))
    drawn = recipe.training_batch(config, step, rank, choices)
    views = SegmentViews(
        views=torch.cat([query, key, drawn["anchor_second_view"].unsqueeze(1)], dim=1),
        color_parameters=torch.zeros(batch, 7, 0),
        anchor_segment=torch.tensor(choices["anchor"]),
        query_order=torch.tensor(choices["q_perm"]),
        key_order=torch.tensor(choices["k_perm"]),
        order_label=drawn["order_label"],
        video_index=torch.arange(batch) + rank * batch,
    )
    shown = views.query_frames[torch.arange(batch).unsqueeze(1), views.query_order]
    assert torch.equal(shown, drawn["query_tuple"])
    return views


def run_case(case: dict[str, Any], rank: int) -> list[dict[str, Any]]:
    """All steps of a case on one rank; the process group, if any, is there already."""
    config = case["config"]
    module = build_module(config).train()
    global_batch = 256  # the fixture's learning rate is the one used, so linear scaling must be the identity
    parameters = [*module.encoder.parameters(), *module.objective.parameters()]
    optimizer = module.optimizer.build(parameters=parameters, global_batch_size=global_batch)
    drawn = iter(Shuffle(permutation=torch.tensor(shuffle), groups=1) for shuffle in config["shuffles"])
    if world_size() > 1:
        module.key_encoding.shuffles = lambda passes, **_: [next(drawn) for _ in range(passes)]  # type: ignore[method-assign]
    classifier = AveragedClassifier(module)
    records = []
    for step in range(config["steps"]):
        batch = segment_views(config, step=step, rank=rank, choices=case["ranks"][rank][step]["choices"])
        records.append(_step(module, optimizer, batch, classifier))
    return records


class AveragedClassifier:
    """The published momentum model also averages the order classifier, which nothing reads; ours has none, the fixture does."""

    def __init__(self, module: VCLRModule) -> None:
        self.query = module.objective.terms["temporal_order"].classifier
        self.own = [parameter.detach().clone() for parameter in self.query.parameters()]
        self.momentum = module.momentum_encoder.momentum

    def update(self) -> None:
        ema_update(self.own, [parameter.detach() for parameter in self.query.parameters()], momentum=self.momentum)

    def names(self) -> dict[str, Tensor]:
        return {f"fc_order_classifier.{name}": own for (name, _), own in zip(self.query.named_parameters(), self.own, strict=True)}


def _step(module: VCLRModule, optimizer: torch.optim.Optimizer, batch: SegmentViews, classifier: AveragedClassifier) -> dict[str, Any]:
    captured: dict[str, Any] = {}
    remove = module.objective.register_forward_hook(lambda _, inputs, output: captured.update(projections=inputs[0], outcome=output))
    total = module.training_step(batch)
    remove.remove()
    by_head, terms = captured["projections"].by_head, module.objective.terms
    logits = {name: terms[TERM_OF[name]].logits(by_head[name]) for name in TERM_OF}
    record: dict[str, Any] = {
        "logits": {name: recipe.summary(value if name == "order" else value.stacked()) for name, value in logits.items()},
        "loss": {name: float(captured["outcome"].terms[term].loss.detach()) for name, term in TERM_OF.items()}
        | {"total": float(total.detach())},
    }
    optimizer.zero_grad()
    total.backward()
    _average_gradients(module)
    record["grads"] = {name: recipe.summary(value.grad) for name, value in published_names(module).items() if value.grad is not None}
    module.on_after_backward()
    optimizer.step()
    module.momentum_encoder.update(module.encoder)
    classifier.update()
    return record | _state(module, classifier)


def _average_gradients(module: VCLRModule) -> None:
    if not dist.is_initialized():
        return
    for parameter in [*module.encoder.parameters(), *module.objective.parameters()]:
        dist.all_reduce(parameter.grad)
        parameter.grad /= dist.get_world_size()  # type: ignore[operator]


def _state(module: VCLRModule, classifier: AveragedClassifier) -> dict[str, Any]:
    query = {name: recipe.summary(value) for name, value in published_names(module).items()}
    momentum = {name: recipe.summary(value) for name, value in (momentum_names(module) | classifier.names()).items()}
    queue: dict[str, Any] = {name: recipe.summary(module.queues[name].rows) for name in ("inter", "segment")}
    queue |= {f"{name}_ptr": int(module.queues[name].pointer) for name in ("inter", "segment")}
    return {"params": query, "buffers": query, "ema_params": momentum, "ema_buffers": momentum, "queue": queue}
