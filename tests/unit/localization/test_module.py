"""A step learns, draws follow step and seed, and weights come from files of two kinds."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest
import torch
from tests.unit.localization.networks import FEATURES, POSITIONS, SEGMENTS, published_loss, small_bmn

from vclr_pl.localization.dataset import SnippetBatch
from vclr_pl.localization.loss import BoundaryMap
from vclr_pl.localization.module import LocalizerModule, load_localizer
from vclr_pl.types import InputError


def module(seed: int = 0, *, lr: float = 1e-3) -> LocalizerModule:
    return LocalizerModule(
        localizer=small_bmn(seed=seed),
        boundary_map=BoundaryMap(positions=POSITIONS, window_positions=3.0),
        loss=published_loss(),
        optimizer=functools.partial(torch.optim.Adam, lr=lr, weight_decay=1e-4),
        schedule=functools.partial(torch.optim.lr_scheduler.MultiStepLR, milestones=[7], gamma=0.1),
    )


def batch() -> SnippetBatch:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(3, FEATURES, POSITIONS, generator=generator)
    return SnippetBatch(features=features, segments=tuple(SEGMENTS), video_index=torch.arange(3))


def test_steps_lower_the_loss() -> None:
    trained = module(lr=1e-2)
    optimizer = trained.configure_optimizers()["optimizer"]
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = trained.training_step(batch())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


def test_the_learning_rate_falls_to_a_tenth_at_the_eighth_epoch() -> None:
    configured = module().configure_optimizers()
    rates = []
    for _ in range(9):
        rates.append(configured["optimizer"].param_groups[0]["lr"])
        configured["optimizer"].step()
        configured["lr_scheduler"]["scheduler"].step()
    assert rates == pytest.approx([1e-3] * 7 + [1e-4] * 2)
    assert configured["optimizer"].param_groups[0]["weight_decay"] == 1e-4


def test_draws_depend_on_the_runs_seed() -> None:
    first, again, other = (module(seed).draw_uniform(2) for seed in (0, 0, 1))
    assert first.shape == (2, 2, POSITIONS, POSITIONS)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("prefix", ["localizer.", ""])
def test_weights_come_from_our_checkpoints_and_from_bare_ones(tmp_path: Path, prefix: str) -> None:
    state = {f"{prefix}{name}": value for name, value in small_bmn(seed=5).state_dict().items()}
    torch.save({"state_dict": {**state, f"{prefix}sample_mask": torch.zeros(2)}}, tmp_path / "file.pth")
    network = small_bmn(seed=6)
    load_localizer(network, tmp_path / "file.pth")
    assert all(torch.equal(value, state[f"{prefix}{name}"]) for name, value in network.state_dict().items())


def test_other_files_are_told(tmp_path: Path) -> None:
    torch.save(small_bmn(feature_dim=20).state_dict(), tmp_path / "other.pth")
    with pytest.raises(InputError, match="weights for 6 features"):
        load_localizer(small_bmn(), tmp_path / "other.pth")
    (tmp_path / "text.pth").write_text("text")
    for name in ("text.pth", "absent.pth"):
        with pytest.raises(InputError, match="a checkpoint of a localizer"):
            load_localizer(small_bmn(), tmp_path / name)
