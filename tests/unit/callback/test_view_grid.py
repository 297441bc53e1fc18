from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from tests.unit.callback.stage import trainer

from vclr_pl.callback.view_grid import CAPTION_PIXELS, GAP_PIXELS, ViewGrid, draw_grid
from vclr_pl.types import SegmentViews

SIZE = 8
MEAN, STD = (0.5, 0.4, 0.3), (0.25, 0.2, 0.1)


def batch(*, frames: int | None = None) -> SegmentViews:
    """Two videos whose view v is of gray level 30 v, normalized; the query tuple is shown backwards, the key tuple in order."""
    levels = torch.arange(7).mul(30).div(255)
    views = ((levels[:, None] - torch.tensor(MEAN)) / torch.tensor(STD))[None, :, :, None, None].expand(2, 7, 3, SIZE, SIZE)
    views = views if frames is None else views.unsqueeze(3).expand(2, 7, 3, frames, SIZE, SIZE)
    order = torch.tensor([[0, 1, 2]] * 2)
    return SegmentViews(
        views=views,
        color_parameters=torch.zeros(2, 7, 1),
        anchor_segment=torch.zeros(2, dtype=torch.long),
        query_order=order.flip(1),
        key_order=order,
        order_label=torch.tensor([1, 3]),
        video_index=torch.arange(2),
    )


@pytest.mark.parametrize("frames", [None, 4])
def test_tiles_stand_in_the_order_shown_and_in_their_own_colors(frames):
    picture = np.asarray(draw_grid(batch(frames=frames), videos=2, mean=MEAN, std=STD))
    tile = SIZE + GAP_PIXELS
    assert picture.shape == (CAPTION_PIXELS + 2 * (CAPTION_PIXELS + tile), 7 * tile, 3)
    row = picture[2 * CAPTION_PIXELS + SIZE // 2, SIZE // 2 :: tile]
    assert row.tolist() == [[level] * 3 for level in (60, 30, 0, 90, 120, 150, 180)]


def test_it_is_saved_and_logged_once(tmp_path):
    logged = []
    data = SimpleNamespace(color_augmentation=SimpleNamespace(mean=MEAN, std=STD))
    stage = trainer(datamodule=data, loggers=[SimpleNamespace(log_image=lambda **values: logged.append(values)), SimpleNamespace()])
    grid = ViewGrid(path=str(tmp_path / "run" / "views.png"), videos=1)
    for _ in range(2):
        grid.on_train_batch_start(stage, None, batch(), 0)
    with Image.open(tmp_path / "run" / "views.png") as picture:
        assert picture.size == (7 * (SIZE + GAP_PIXELS), 2 * CAPTION_PIXELS + SIZE + GAP_PIXELS)
    assert [values["key"] for values in logged] == ["views"]


def test_the_other_processes_draw_nothing(tmp_path):
    ViewGrid(path=str(tmp_path / "views.png"), videos=1).on_train_batch_start(trainer(is_global_zero=False), None, batch(), 0)
    assert list(tmp_path.iterdir()) == []
