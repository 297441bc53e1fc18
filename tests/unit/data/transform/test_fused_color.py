"""One graph for a batch without a break, one compilation for all sizes, places of operations. Values: test_color_augmentation.py."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from tests.color_draws import published_color
from torch._inductor import metrics

from vclr_pl.data.transform.fused_color import (
    BRIGHTNESS,
    CONTRAST,
    CONTRAST_FIRST,
    EITHER,
    HUE,
    HUE_FIRST,
    IS_HUE_FIRST,
    ORDERS,
    SATURATION,
    augmented,
    places_of_orders,
)

COLOR = published_color()
CPU = torch.device("cpu")
NORMALIZATION = torch.tensor([0.485, 0.456, 0.406])[:, None, None], torch.tensor([0.229, 0.224, 0.225])[:, None, None]


def arguments(views):
    drawn = torch.randint(0, 256, (views, 3, 32, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(views))
    return drawn, COLOR.draw(views, np.random.default_rng(views)), places_of_orders(EITHER, CPU), NORMALIZATION


def performed(row, steps, hue_first):
    """The operations of a row of the table, in their order."""
    operations = []
    for step, operation in enumerate((*steps, None)):
        operations += [(BRIGHTNESS, SATURATION)[kind] for kind in row[2 * step : 2 * step + 2] if kind != 2]
        turns = steps != EITHER or (step == 0) == hue_first
        if operation == CONTRAST or (operation == HUE and turns):
            operations.append(operation)
    return tuple(operations)


@pytest.mark.parametrize("steps", [EITHER, HUE_FIRST, CONTRAST_FIRST], ids=["either", "hue first", "contrast first"])
def test_each_row_of_the_table_is_its_order(steps):
    table, hue_first = places_of_orders(steps, CPU)
    assert tuple(hue_first.tolist()) == IS_HUE_FIRST
    fitting = [row for row in range(len(ORDERS)) if steps == EITHER or IS_HUE_FIRST[row] == (steps == HUE_FIRST)]
    assert [performed(table[row].tolist(), steps, IS_HUE_FIRST[row]) for row in fitting] == [ORDERS[row] for row in fitting]


@pytest.mark.skipif(shutil.which("g++") is None and shutil.which("c++") is None, reason="torch.compile needs a C++ compiler on the CPU")
def test_it_is_compiled_once_for_all_batch_sizes_without_a_break():
    """Five loops over the pictures on a CPU, after five over the parameters: mirrored, up to the mean, colors, rows' and columns' blur."""
    torch._dynamo.reset()
    metrics.reset()
    compiled = torch.compile(augmented, fullgraph=True, options={"compile_threads": 1})  # a break of the graph raises
    for place, views in enumerate((14, 7, 21)):
        given = arguments(views)
        for tensor in given[:2]:
            torch._dynamo.maybe_mark_dynamic(tensor, 0)
        with torch._dynamo.config.patch(error_on_recompile=place > 0):
            found = compiled(*given, reach=6)
        torch.testing.assert_close(found, augmented(*given, reach=6), atol=1e-5, rtol=0)
    assert 0 < metrics.generated_kernel_count <= 10
