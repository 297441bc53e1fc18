"""The published localization: network, labels, losses, proposals and average recall (tests/parity/fixture.py finds the numbers)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from tests.parity import recipe
from tests.parity.fixture import fixtures_with
from torch import Tensor

from vclr_pl.localization.bmn import BMN, BoundaryPrediction, sampling_mask
from vclr_pl.localization.loss import BMNLoss, BoundaryLabels, BoundaryMap, LocalizationLosses
from vclr_pl.localization.proposals import ProposalMaker, VideoPrediction
from vclr_pl.localization.scores import RECALL_RANKS, average_recall
from vclr_pl.localization.snippets import covered_seconds

EXACT, GRADIENTS = 1e-9, 1e-7
FIXTURES = fixtures_with("bmn", "average_recall")
NETWORKS = [(f"{path}:{place}", case) for path, content in FIXTURES.items() for place, case in enumerate(content.get("bmn", []))]
RECALLS = [(f"{path}:{place}", case) for path, content in FIXTURES.items() for place, case in enumerate(content.get("average_recall", []))]
PUBLISHED_LOSS = BMNLoss(
    boundary_weight=1.0,
    regression_weight=10.0,
    classification_weight=1.0,
    boundary_threshold=0.5,
    high_tiou=0.7,
    low_tiou=0.3,
    classification_threshold=0.9,
    balance_range=(1.05, 21.0),
)


def named(cases: list[tuple[str, Any]]) -> Any:
    return pytest.mark.parametrize("case", [case for _, case in cases], ids=[name.rsplit("/", 1)[-1] for name, _ in cases])


def assert_summary(actual: Tensor, expected: dict[str, Any], *, relative: float = EXACT) -> None:
    """Entries against themselves or, near zero, against the tensor's root mean square; the sum against the norm."""
    flat = actual.detach().double().reshape(-1)
    assert flat.numel() == expected["numel"]
    typical = expected["norm"] / math.sqrt(expected["numel"])
    assert math.isclose(float(flat.norm()), expected["norm"], rel_tol=relative)
    assert abs(float(flat.sum()) - expected["sum"]) <= relative * max(abs(expected["sum"]), expected["norm"])
    for own, published in zip([*flat[:6], *flat[-3:]], [*expected["head"], *expected["tail"]], strict=True):
        assert math.isclose(float(own), published, rel_tol=relative, abs_tol=relative * typical)


def network_of(case: dict[str, Any]) -> BMN:
    """With the drawn parameters, in float64."""
    first, second, third = case["hidden"]
    network = BMN(
        feature_dim=case["feat_dim"],
        positions=case["temporal_dim"],
        boundary_ratio=case["boundary_ratio"],
        samples=case["num_samples"],
        points_per_sample=case["num_samples_per_bin"],
        hidden_1d=first,
        hidden_2d=second,
        hidden_3d=third,
    ).double()
    state = {}
    for name, parameter in network.state_dict().items():
        scale = math.sqrt(2.0 / math.prod(parameter.shape[1:])) if parameter.dim() >= 2 else 0.05
        state[name] = scale * recipe.draw(f"bmn/{name}", tuple(parameter.shape), case["salt"])
    network.load_state_dict(state)
    return network


def features_of(case: dict[str, Any]) -> Tensor:
    return recipe.draw("bmn/features", (2, case["feat_dim"], case["temporal_dim"]), case["salt"])


def labels_of(case: dict[str, Any]) -> BoundaryLabels:
    boundary_map = BoundaryMap(positions=case["temporal_dim"], window_positions=3.0)
    labels: BoundaryLabels = boundary_map([torch.tensor(segments, dtype=torch.float64) for segments in case["gt"]])
    return labels


def losses_of(case: dict[str, Any], prediction: BoundaryPrediction, network: BMN) -> LocalizationLosses:
    size = (2, case["temporal_dim"], case["temporal_dim"])
    draws = [np.random.RandomState(recipe.seed_of(f"bmn/uniform{which}", case["salt"])).uniform(size=size) for which in (0, 1)]
    labels = labels_of(case)
    upcast = BoundaryLabels(tiou=labels.tiou.double(), start=labels.start.double(), end=labels.end.double())
    uniform_2BDS = torch.from_numpy(np.stack(draws))
    return PUBLISHED_LOSS(prediction, upcast, valid_DS=network.valid, uniform_2BDS=uniform_2BDS)


def test_fixtures_were_found() -> None:
    assert NETWORKS
    assert RECALLS


@named(NETWORKS)
def test_the_sampling_mask_agrees(case: dict[str, Any]) -> None:
    mask = sampling_mask(
        positions=case["temporal_dim"],
        samples=case["num_samples"],
        points_per_sample=case["num_samples_per_bin"],
        boundary_ratio=case["boundary_ratio"],
    )
    assert_summary(torch.from_numpy(mask.dense(samples=case["num_samples"])), case["sample_mask"])
    assert_summary(torch.from_numpy(mask.valid), case["bm_mask"])


@named(NETWORKS)
def test_parameters_have_the_published_names(case: dict[str, Any]) -> None:
    network = network_of(case)
    assert list(network.state_dict()) == case["parameter_names"]
    network.load_state_dict({**network.state_dict(), "sample_mask": torch.zeros(1)})


@named(NETWORKS)
@torch.no_grad()
def test_the_forward_pass_agrees(case: dict[str, Any]) -> None:
    prediction: BoundaryPrediction = network_of(case)(features_of(case))
    assert_summary(torch.stack([prediction.regression, prediction.classification], dim=1), case["confidence"])
    assert_summary(prediction.start, case["start"])
    assert_summary(prediction.end, case["end"])


@named(NETWORKS)
def test_labels_agree(case: dict[str, Any]) -> None:
    labels = labels_of(case)
    assert labels.tiou.dtype == torch.float32
    assert_summary(labels.start, case["label_start"])
    assert_summary(labels.end, case["label_end"])
    assert_summary(labels.tiou, case["label_confidence"])


@named(NETWORKS)
def test_losses_and_gradients_agree(case: dict[str, Any]) -> None:
    network = network_of(case)
    losses = losses_of(case, network(features_of(case)), network)
    found = {
        "temporal_evaluation": losses.boundary,
        "proposal_regression": losses.regression,
        "proposal_classification": losses.classification,
        "total": losses.total,
    }
    assert found.keys() == case["loss"].keys()
    for name, value in found.items():
        assert math.isclose(value.item(), case["loss"][name], rel_tol=EXACT), name
    losses.total.backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None
        assert math.isclose(float(parameter.grad.norm()), case["grad_norms"][name], rel_tol=GRADIENTS), name


@named(NETWORKS)
@torch.no_grad()
def test_proposals_agree(case: dict[str, Any]) -> None:
    prediction: BoundaryPrediction = network_of(case)(features_of(case))
    options, video, expected = case["soft_nms"], case["video"], case["proposals"]
    maker = ProposalMaker(
        likely_fraction=0.5,
        alpha=options["alpha"],
        low_threshold=options["low"],
        high_threshold=options["high"],
        maximum_proposals=options["top_k"],
    )
    first = VideoPrediction(
        regression=prediction.regression[0].numpy(),
        classification=prediction.classification[0].numpy(),
        start=prediction.start[0].numpy(),
        end=prediction.end[0].numpy(),
    )
    seconds = covered_seconds(duration_seconds=video["duration_second"], frames=video["duration_frame"], snippet_frames=16)
    found = maker.proposals(first, duration_seconds=seconds)
    assert len(found) == expected["count"]
    assert math.isclose(sum(proposal.score for proposal in found), expected["score_sum"], rel_tol=EXACT)
    head, tail = len(expected["first"]), len(expected["last"])
    for own, published in zip([*found[:head], *found[-tail:]], [*expected["first"], *expected["last"]], strict=True):
        assert math.isclose(own.score, published["score"], rel_tol=EXACT)
        assert math.isclose(own.start_seconds, published["segment"][0], rel_tol=EXACT, abs_tol=EXACT)
        assert math.isclose(own.end_seconds, published["segment"][1], rel_tol=EXACT, abs_tol=EXACT)


@named(RECALLS)
def test_average_recall_agrees(case: dict[str, Any]) -> None:
    found = average_recall(
        truth={video: np.array(segments) for video, segments in case["ground_truth"].items()},
        proposals={video: np.array(proposals) for video, proposals in case["proposals"].items()},
    )
    for rank in RECALL_RANKS:
        assert math.isclose(found.at(rank), case[f"AR@{rank}"], rel_tol=EXACT)
    assert math.isclose(found.auc, case["AUC"], rel_tol=EXACT)
