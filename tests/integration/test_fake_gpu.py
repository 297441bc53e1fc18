"""The step, the evaluation and the localizer on a fake GPU: what would wait for the device, or copy from it, fails without one.

torch's fake tensors have a device, a shape and no data. An operation whose result depends on data raises. Backward needs a CUDA driver.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from tests.color_draws import published_color
from tests.unit.localization.networks import POSITIONS
from tests.unit.localization.test_module import batch as snippets
from tests.unit.localization.test_module import module as localizer
from tests.unit.pretrain.built import small_batch, small_module
from torch import Tensor, nn
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from vclr_pl.data.transform import color_augmentation, fused_color
from vclr_pl.evaluation.feature_extraction import evaluation_mode, mean_features

GPU = "cuda:0"
DTYPES = [torch.bfloat16, torch.float16]
VIDEOS, PIXELS, QUEUE = 32, 224, 131_072
# Operations that launch a kernel: the counts of torch 2.14 and a few more. float16 pools the negatives in blocks that it can sum.
PHOTOMETRY_KERNELS = 215  # not compiled
STEP_KERNELS = {torch.bfloat16: 500, torch.float16: 600}
EVALUATION_KERNELS, LOCALIZER_KERNELS = 65, 275  # of eight videos, and of three
CONSTANTS_BY_DEVICE = (color_augmentation._column, fused_color.places_of_orders)
# Names of operations that only describe memory.
DESCRIBES = "view _unsafe_view reshape unsqueeze squeeze select slice expand permute transpose t split split_with_sizes unbind detach alias"
VIEWS = {*DESCRIBES.split(), "as_strided", "unfold", "diagonal", "empty", "empty_like", "new_empty", "empty_strided", "device"}


class Kernels(TorchDispatchMode):
    """Counts kernels, and lists operations between two devices."""

    def __init__(self) -> None:
        super().__init__()
        self.count: Counter[str] = Counter()
        self.copies: list[str] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        tensors = [leaf for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, Tensor) and leaf.dim()]
        name = function.name().split("::")[1].split(".")[0]
        if name not in VIEWS:
            self.count[name] += 1
        if len({tensor.device.type for tensor in tensors}) > 1 and name not in VIEWS:
            self.copies.append(function.name())
        return result


@contextmanager
def fake_gpu() -> Iterator[FakeTensorMode]:
    """Fake tensors; constants that are kept for a device do not outlive them."""
    with FakeTensorMode() as mode:
        yield mode
    for constants in CONSTANTS_BY_DEVICE:
        constants.cache_clear()


@contextmanager
def autocast(dtype: torch.dtype) -> Iterator[None]:
    """As on a GPU: without a driver torch.autocast("cuda") does nothing."""
    before = torch.get_autocast_dtype("cuda")
    torch.set_autocast_dtype("cuda", dtype)
    torch.set_autocast_enabled("cuda", True)
    try:
        yield
    finally:
        torch.set_autocast_enabled("cuda", False)
        torch.set_autocast_dtype("cuda", before)
        torch.clear_autocast_cache()


def moved(module: nn.Module, mode: FakeTensorMode) -> None:
    """Every parameter and buffer of the module becomes a fake one on the GPU."""
    before = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    module._apply(lambda tensor: mode.from_tensor(tensor).to(GPU))
    torch.__future__.set_overwrite_module_params_on_conversion(before)


def test_photometry_waits_for_nothing() -> None:
    views, parameters = torch.zeros(VIDEOS * 7, 3, PIXELS, PIXELS, dtype=torch.uint8), torch.zeros(VIDEOS * 7, 8)
    with fake_gpu() as mode:
        views, parameters = mode.from_tensor(views).to(GPU), mode.from_tensor(parameters).to(GPU)
        published_color().apply(views, parameters)  # constants are copied once
        with Kernels() as kernels:
            prepared = published_color().apply(views, parameters)
    assert prepared.dtype == torch.float32
    assert kernels.copies == []
    assert sum(kernels.count.values()) <= PHOTOMETRY_KERNELS, kernels.count


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("mask_own_video", [False, True])
def test_the_step_waits_for_nothing(dtype: torch.dtype, mask_own_video: bool) -> None:
    module = small_module(queue_length=QUEUE, mask_own_video=mask_own_video)
    with fake_gpu() as mode:
        moved(module, mode)
        batch = small_batch(videos=VIDEOS)._moved(lambda tensor: mode.from_tensor(tensor).to(GPU))
        with Kernels() as kernels, autocast(dtype):
            loss = module.training_step(batch)
            module.on_after_backward()
            module.momentum_encoder.update(module.encoder)
    assert loss.device == torch.device(GPU)
    assert kernels.copies == []
    assert sum(kernels.count.values()) <= STEP_KERNELS[dtype], kernels.count


def test_a_value_that_is_read_from_the_device_is_found() -> None:
    """The test of the tests: `.item()` in the step raises."""
    module = small_module()
    with fake_gpu() as mode:
        moved(module, mode)
        batch = small_batch()._moved(lambda tensor: mode.from_tensor(tensor).to(GPU))
        with pytest.raises(DataDependentOutputException):
            module.training_step(batch).item()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_the_features_of_videos_wait_for_nothing(dtype: torch.dtype) -> None:
    """Eight whole videos of a batch, two of which are shorter; the rows of their frames are known in main memory."""
    module, counts = small_module(), [30, 30, 12, 30, 30, 7, 30, 30]
    frames, rows = torch.zeros(8 * 30, 3, PIXELS, PIXELS), torch.arange(sum(counts))
    with fake_gpu() as mode, torch.no_grad(), evaluation_mode(module):
        moved(module, mode)
        frames, rows = mode.from_tensor(frames).to(GPU), mode.from_tensor(rows)
        with Kernels() as kernels, autocast(dtype):
            features = mean_features(module.features, frames, rows, counts=counts, frames_per_pass=100)
    assert (features.shape, features.device, features.dtype) == ((8, module.encoder.backbone.feature_dim), torch.device(GPU), torch.float32)
    assert kernels.copies == ["aten::_to_copy"]  # the rows, to the GPU
    assert sum(kernels.count.values()) <= EVALUATION_KERNELS, kernels.count


def gathered_cells(features: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """The shape of the sparse product: fake tensors have none on a GPU."""
    return features.new_zeros(POSITIONS * (POSITIONS + 1) // 2, len(features), len(bias), dtype=torch.float32) + weight.sum()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_the_localizer_waits_for_nothing(dtype: torch.dtype) -> None:
    module, batch = localizer(), snippets()
    drawn = module.draw_uniform(len(batch))
    with fake_gpu() as mode:
        moved(module, mode)
        on_gpu = mode.from_tensor(drawn).to(GPU)
        module.draw_uniform = lambda videos: on_gpu  # type: ignore[method-assign]  # pinned memory needs a driver
        batch = batch._moved(lambda tensor: mode.from_tensor(tensor).to(GPU))
        module.localizer.matching.forward = gathered_cells  # type: ignore[method-assign]
        with Kernels() as kernels, autocast(dtype):
            loss = module.training_step(batch)
    assert loss.device == torch.device(GPU)
    assert kernels.copies == []
    assert sum(kernels.count.values()) <= LOCALIZER_KERNELS, kernels.count
