"""The published pretraining step, number by number."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.parity import recipe
from tests.parity.fixture import assert_agrees, fixtures_with
from tests.parity.published_step import build_module, run_case

from vclr_pl.op.contrast import segment_consensus, unit_norm
from vclr_pl.optim.schedule import WarmupCosine

BEFORE_GRADIENTS, AFTER_GRADIENTS = 1e-9, 1e-7
FIXTURES = fixtures_with("forward", "train", "lr")
FORWARDS = [(f"{path}:{place}", case) for path, content in FIXTURES.items() for place, case in enumerate(content.get("forward", []))]
TRAININGS = [(f"{path}:{name}", case) for path, content in FIXTURES.items() for name, case in content.get("train", {}).items()]
SCHEDULES = [(f"{path}:{place}", case) for path, content in FIXTURES.items() for place, case in enumerate(content.get("lr", []))]


def named(cases: list[tuple[str, Any]]) -> Any:
    return pytest.mark.parametrize("case", [case for _, case in cases], ids=[name.rsplit("/", 1)[-1] for name, _ in cases])


def test_fixtures_were_found() -> None:
    assert FORWARDS
    assert TRAININGS
    assert SCHEDULES


@named(FORWARDS)
@torch.no_grad()
def test_forward_features_agree(case: dict[str, Any]) -> None:
    dim = case["inter"]["shape"][1]
    config = {"dim": dim, "queue": 8, "t": 0.1, "t_intra": 0.1, "alpha": 0.999, "lr": 0.1, "arch": case["arch"], "salt": case["salt"]}
    module = build_module(config).train(case["mode"] == "train")
    frames = recipe.draw("frames", (case["batch"], 3, 3, case["pixels"], case["pixels"]), case["salt"])
    pooled = module.features(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])
    order = module.objective.terms["temporal_order"]
    order_features = order.order_features(module.encoder.project("order", pooled))
    actual = {
        "backbone_frame0": pooled[:, 0],
        "backbone_segment_mean": segment_consensus(pooled),
        "segment": unit_norm(module.encoder.project("segment", segment_consensus(pooled))),
        "order_features": order_features,
        "inter": unit_norm(module.encoder.project("inter", pooled[:, 0])),
        "intra": unit_norm(module.encoder.project("intra", pooled[:, 0])),
        "order_logits_with_flipped_keys": order.classifier(torch.cat([order_features, order_features.flip(0)], dim=1)),
    }
    for name, value in actual.items():
        assert_agrees(recipe.summary(value), case[name], relative=BEFORE_GRADIENTS, where=name)


@named(TRAININGS)
def test_training_steps_agree(case: dict[str, Any], request: pytest.FixtureRequest) -> None:
    world = case["config"]["world"]
    if world == 1:
        records = [run_case(case, 0)]
    elif world == 2:
        records = request.getfixturevalue("two_processes")(run_case_on_rank, case)
    else:
        pytest.skip(f"the test session has two processes, the case asks for {world}")
    for rank, (actual, expected) in enumerate(zip(records, case["ranks"], strict=True)):
        for step, (own, published) in enumerate(zip(actual, expected, strict=True)):
            relative = BEFORE_GRADIENTS if step == 0 else AFTER_GRADIENTS
            for part in published.keys() - {"choices"}:
                exact = part in ("loss", "logits")
                tolerance = relative if exact else AFTER_GRADIENTS
                assert_agrees(own[part], published[part], relative=tolerance, where=f"rank {rank} step {step} {part}")


def run_case_on_rank(case: dict[str, Any]) -> list[dict[str, Any]]:
    return run_case(case, torch.distributed.get_rank())


@named(SCHEDULES)
def test_learning_rate_agrees_at_every_step(case: dict[str, Any]) -> None:
    schedule = WarmupCosine(warmup_epochs=case["warmup_epochs"], warmup_multiplier=case["warmup_multiplier"], minimum_lr=case["eta_min"])
    total_steps = case["epochs"] * case["iters_per_epoch"]
    for step, published in enumerate(case["lr_at_each_step"]):
        own = schedule.lr_at(step=step, base_lr=case["base_lr"], steps_per_epoch=case["iters_per_epoch"], total_steps=total_steps)
        assert_agrees(own, published, relative=BEFORE_GRADIENTS, where=f"step {step}")
