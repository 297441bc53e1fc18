"""BYOL against NumPy, written from the paper; who gets a gradient; what shows a collapse."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests.unit.objective.drawn import unit_rows
from tests.unit.pretrain.built import DIM, small_batch, small_module

from vclr_pl.objective.byol import Byol
from vclr_pl.types import Contrast, InputError, Projections, TermOutput


def term(*, dim: int = 5, hidden_dim: int = 7) -> Byol:
    torch.manual_seed(0)
    made = Byol(weight=1.0, dim=dim, hidden_dim=hidden_dim).double()
    with torch.no_grad():  # of a new batch norm they are 1 and 0
        made.predictor[1].weight.uniform_(0.5, 1.5)
        made.predictor[1].bias.uniform_(-0.5, 0.5)
    return made


def output_of(made: Byol, query: torch.Tensor, key: torch.Tensor) -> TermOutput:
    return made(Projections(by_head={"byol": Contrast(query=query, key=key)}, order_label=torch.zeros(len(query))))


def numpy_predictions(made: Byol, query: torch.Tensor) -> NDArray[np.float64]:
    weight, bias, scale, shift, weight_out, bias_out = (parameter.detach().numpy() for parameter in made.parameters())
    hidden = query.detach().numpy() @ weight.T + bias
    normalized = (hidden - hidden.mean(0)) / np.sqrt(hidden.var(0) + 1e-5) * scale + shift
    predicted: NDArray[np.float64] = np.maximum(normalized, 0.0) @ weight_out.T + bias_out
    return predicted


@pytest.mark.parametrize("videos", [2, 6])
def test_the_loss_is_the_squared_distance_of_unit_vectors(videos: int) -> None:
    made, query, key = term(), 3.0 * unit_rows(videos, 5, seed=1), 0.2 * unit_rows(videos, 5, seed=2)
    predicted, target = numpy_predictions(made, query), key.numpy()
    gaps = [np.linalg.norm(p / np.linalg.norm(p) - t / np.linalg.norm(t)) ** 2 for p, t in zip(predicted, target, strict=True)]
    assert output_of(made, query, key).loss.item() == pytest.approx(np.mean(gaps), rel=1e-10)


def test_metrics_compare_predictions_with_the_keys_of_the_batch() -> None:
    made, query, key = term(), unit_rows(4, 5, seed=1), unit_rows(4, 5, seed=2)
    predicted = numpy_predictions(made, query)
    cosines = (predicted / np.linalg.norm(predicted, axis=1, keepdims=True)) @ key.numpy().T
    metrics = output_of(made, query, key).metrics
    assert set(metrics) == {"positive_similarity", "batch_similarity", "batch_accuracy"}
    assert metrics["positive_similarity"].item() == pytest.approx(np.trace(cosines) / 4)
    assert metrics["batch_similarity"].item() == pytest.approx((cosines.sum() - np.trace(cosines)) / 12)
    assert metrics["batch_accuracy"].item() == pytest.approx(100.0 * np.mean(cosines.argmax(1) == np.arange(4)))


def test_a_collapse_shows_although_the_loss_is_low() -> None:
    """All keys one vector, and a predictor that gives it: the loss is 0, and other videos are as similar as the positive."""
    made, key = term(), unit_rows(1, 5, seed=2).expand(4, 5)
    with torch.no_grad():
        made.predictor[3].weight.zero_()
        made.predictor[3].bias.copy_(key[0])
    output = output_of(made, unit_rows(4, 5, seed=1), key)
    assert output.loss.item() == pytest.approx(0.0, abs=1e-12)
    assert output.metrics["positive_similarity"].item() == pytest.approx(1.0)
    assert output.metrics["batch_similarity"].item() == pytest.approx(1.0)


def test_the_key_gets_no_gradient() -> None:
    made = term()
    query, key = unit_rows(4, 5, seed=1).requires_grad_(), unit_rows(4, 5, seed=2).requires_grad_()
    output_of(made, query, key).loss.backward()
    assert key.grad is None
    assert query.grad is not None
    assert all(parameter.grad is not None for parameter in made.parameters())


def test_under_autocast_the_loss_is_float32() -> None:
    made = term().float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = output_of(made, unit_rows(4, 5, seed=1).bfloat16(), unit_rows(4, 5, seed=2).bfloat16())
    assert {output.loss.dtype, *(value.dtype for value in output.metrics.values())} == {torch.float32}


def test_one_video_is_refused() -> None:
    with pytest.raises(InputError, match=r"two videos on each device .* term byol; got one\. Set loader\.batch_size=2"):
        output_of(term(), unit_rows(1, 5, seed=1), unit_rows(1, 5, seed=2))


def test_a_step_trains_encoder_head_and_predictor_and_not_the_momentum_encoder() -> None:
    module = small_module(keep=("none",), also={"byol": Byol(weight=1.0, dim=DIM, hidden_dim=8)})
    assert (list(module.encoder.heads), list(module.queues)) == (["byol"], [])
    module.training_step(small_batch()).backward()
    module.on_after_backward()
    trained = {name for name, parameter in module.named_parameters() if parameter.grad is not None}
    expected = {name for name, _ in module.named_parameters() if name.startswith(("encoder.", "objective.terms.byol.predictor."))}
    assert trained == expected
    assert any(name.startswith("objective.") for name in trained)
    in_groups = {id(parameter) for group in module.groups() for parameter in group.parameters}
    assert {id(parameter) for name, parameter in module.named_parameters() if name in expected} == in_groups
