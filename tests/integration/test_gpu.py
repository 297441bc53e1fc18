"""The photometry, the step, the evaluation and a run on a GPU, against the CPU. Without a GPU the same tests compare the CPU with itself.

`make gpu` runs those that are marked `gpu`. What can be shown without a card is in test_fake_gpu.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.color_draws import published_color
from tests.integration.test_train import command
from tests.unit.localization.test_module import batch as snippets
from tests.unit.localization.test_module import module as localizer
from tests.unit.pretrain.built import small_batch, small_module
from torch import Tensor

from vclr_pl.backbone.resnet import resnet
from vclr_pl.encoder.video_encoder import EncoderRuntime
from vclr_pl.evaluation.feature_extraction import extract_features
from vclr_pl.pretrain.view_encoding import SharedEncoding
from vclr_pl.runner.run import run
from vclr_pl.train import train
from vclr_pl.types import VideoFrames

CUDA = pytest.param("cuda", marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")])
DEVICES = ["cpu", CUDA]
WARM_UP, STEPS = 2, 4
GIB = 2**30


@pytest.fixture(autouse=True)
def exact_products() -> Iterator[None]:
    """float32 products in float32, not TF32: the comparisons are of the code, not of the precision."""
    before, convolutions = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.set_float32_matmul_precision(before)
    torch.backends.cudnn.allow_tf32 = convolutions


@contextmanager
def no_waiting(device: str) -> Iterator[None]:
    """On a GPU an operation that waits for it, such as `.item()` or a pageable copy, raises."""
    if device == "cuda":
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        if device == "cuda":
            torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("device", DEVICES)
def test_the_colors_of_the_device_are_the_cpus(device: str) -> None:
    color, generator = published_color(), torch.Generator().manual_seed(0)
    views = torch.randint(256, (56, 3, 64, 64), dtype=torch.uint8, generator=generator)
    parameters = color.draw(len(views), np.random.default_rng(0))
    expected = color.apply(views.clone(), parameters)
    found = color.apply(views.to(device), parameters.to(device)).cpu()
    difference = (found - expected).abs()
    assert difference.mean() < 1e-4  # in [0, 1]; hue jumps where two channels are equal, so single pixels may differ
    assert (difference > 0.02).float().mean() < 1e-3


def trained(device: str, *, steps: int, dtype: torch.dtype | None = None, waits: Callable[[str], Any] = no_waiting) -> dict[str, Tensor]:
    """Losses, weights and queues after some steps of a small network."""
    module = small_module(encoding=SharedEncoding(), queue_length=256).to(device)
    optimizer = module.optimizer.build(parameters=[*module.encoder.parameters(), *module.objective.parameters()], global_batch_size=256)
    losses = []
    batches = [small_batch(seed=step).to(device) for step in range(steps)]

    def step(batch: Any) -> None:
        with torch.autocast(device, dtype=dtype, enabled=dtype is not None):
            loss = module.training_step(batch)
        optimizer.zero_grad()
        loss.backward()
        module.on_after_backward()
        optimizer.step()
        module.momentum_encoder.update(module.encoder)
        losses.append(loss.detach())

    for batch in batches[:WARM_UP]:
        step(batch)
    with waits(device):
        for batch in batches[WARM_UP:]:
            step(batch)
    state = {name: value.detach().float().cpu() for name, value in module.state_dict().items()}
    return {"loss": torch.stack(losses).float().cpu(), **state}


@pytest.mark.parametrize("device", DEVICES)
def test_steps_on_the_device_are_the_cpus_and_wait_for_nothing(device: str) -> None:
    expected, found = trained("cpu", steps=STEPS), trained(device, steps=STEPS)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=2e-3, atol=2e-4, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("device", DEVICES)
def test_steps_in_half_precision_are_close_and_wait_for_nothing(device: str, dtype: torch.dtype) -> None:
    found, expected = trained(device, steps=STEPS, dtype=dtype), trained("cpu", steps=STEPS)
    torch.testing.assert_close(found["loss"], expected["loss"], rtol=0.05, atol=0.05)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")
def test_a_step_that_waits_is_found() -> None:
    """The test of the tests."""
    with pytest.raises(RuntimeError, match="synchronizing"), no_waiting("cuda"):
        torch.ones(1, device="cuda").item()


class Batches(list[VideoFrames]):
    """Whole videos on the CPU."""


def videos() -> Batches:
    generator = torch.Generator().manual_seed(0)
    frames, valid = torch.randn(4, 3, 3, 16, 16, generator=generator), torch.ones(4, 3, dtype=torch.bool)
    valid[1, 2] = False
    return Batches([VideoFrames(frames=frames, valid=valid, label=torch.arange(4), video_index=torch.arange(4), broken=())])


@pytest.mark.parametrize("device", DEVICES)
def test_features_of_the_device_are_the_cpus(device: str) -> None:
    tables = []
    for place in ("cpu", device):
        module = small_module().to(place)
        table = extract_features(
            encoder=module.features,
            batches=videos(),
            prepare=lambda batch: batch,
            path=str,
            class_names=tuple("abcd"),
            device=torch.device(place),
            precision="32-true",
            frames_per_pass=5,
        )
        tables.append(table.features)
    torch.testing.assert_close(tables[1].cpu(), tables[0], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("device", DEVICES)
def test_the_localizers_step_is_the_cpus(device: str) -> None:
    losses = []
    for place in ("cpu", device):
        torch.manual_seed(0)
        module = localizer().to(place)
        drawn = torch.rand(module.draw_uniform(len(snippets())).shape, generator=torch.Generator().manual_seed(0))
        module.draw_uniform = lambda _, drawn=drawn, place=place: drawn.to(place)  # type: ignore[method-assign]
        losses.append(module.training_step(snippets()._moved(lambda tensor, place=place: tensor.to(place))).detach().cpu())
    torch.testing.assert_close(losses[1], losses[0], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("device", DEVICES)
def test_a_compiled_backbone_gives_the_same_features(device: str) -> None:
    torch.manual_seed(0)
    network = resnet(name="resnet18").to(device).eval()
    images = torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(0)).to(device)
    with torch.no_grad():
        expected = network(images)
        network.compile()
        torch.testing.assert_close(network(images), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")
def test_the_default_step_needs_no_more_memory_than_the_published_passes() -> None:
    peaks = []
    for make in (partial(small_module, encoding=SharedEncoding()), small_module):
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        module = make().cuda()
        EncoderRuntime(channels_last=True, compile=False).apply(module.encoder)
        module.training_step(small_batch(videos=32, pixels=112).to("cuda")).backward()
        peaks.append(torch.cuda.max_memory_allocated())
        del module
    assert 0 < peaks[0] <= peaks[1]
    assert peaks[1] < GIB


@pytest.mark.parametrize("device", DEVICES)
def test_a_run_on_the_device(device: str, tmp_path: Path) -> None:
    """Loader with pinned memory, photometry, steps, checkpoint and evaluation, through the command."""
    chosen = [] if device == "cpu" else ["trainer=gpu", "trainer.precision=bf16-mixed", "loader.workers=1"]
    words = [word for word in command(tmp_path, "run", *chosen, "page=null") if not (chosen and word == "trainer=cpu")]
    assert run(train, config_name="train", arguments=words) == 0
    results = json.loads((tmp_path / "runs" / "run" / "results.json").read_text())
    assert 0 <= results["metrics"]["retrieval_r1"] <= 100
    assert results["training"]["steps"] == 20
