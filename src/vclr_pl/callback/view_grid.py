"""Save a picture of the first batch's views, with their order labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as lightning
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from vclr_pl.files import whole_file
from vclr_pl.types import SegmentViews

CAPTION_PIXELS = 14
GAP_PIXELS = 4
LABELS = ("both in order", "query shuffled", "key shuffled", "both shuffled")
TITLE = "query tuple as shown | key tuple as shown | anchor's second view"


class ViewGrid(lightning.Callback):
    """Draws a row a video: query tuple as shown, key tuple as shown, the anchor's second view, and the order label.

    Saved as a PNG, and given to every logger that takes images.

    Args:
        path: of the PNG.
        videos: rows.
    """

    def __init__(self, *, path: str, videos: int) -> None:
        self.path, self.videos = Path(path), videos
        self.is_drawn = False

    def on_train_batch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, batch: Any, batch_idx: int) -> None:
        del pl_module, batch_idx
        if self.is_drawn or not trainer.is_global_zero or trainer.fast_dev_run or not isinstance(batch, SegmentViews):  # type: ignore[attr-defined]
            return
        self.is_drawn = True
        if trainer.global_step and self.path.is_file():  # of the first batch, drawn before the run was continued
            return
        normalized: Any = trainer.datamodule.color_augmentation  # type: ignore[attr-defined]
        picture = draw_grid(batch, videos=self.videos, mean=normalized.mean, std=normalized.std)
        with whole_file(self.path) as draft:
            picture.save(draft, "PNG")
        for logger in trainer.loggers:
            if hasattr(logger, "log_image"):
                logger.log_image(key="views", images=[picture], caption=[TITLE], step=trainer.global_step)


def draw_grid(batch: SegmentViews, *, videos: int, mean: Sequence[float], std: Sequence[float]) -> Image.Image:
    """The picture of the first `videos` videos of a normalized batch; of a clip its middle frame."""
    rows = [_row(batch, video, mean=mean, std=std) for video in range(min(videos, len(batch)))]
    strips = []
    for label, tiles in rows:
        strip = np.concatenate([_padded(tile) for tile in tiles], axis=1)
        strips.append(np.concatenate([_caption(f"order label {label}: {LABELS[label]}", width=strip.shape[1]), strip], axis=0))
    title = _caption(TITLE, width=strips[0].shape[1])
    return Image.fromarray(np.concatenate([title, *strips], axis=0))


def _row(batch: SegmentViews, video: int, *, mean: Sequence[float], std: Sequence[float]) -> tuple[int, list[np.ndarray[Any, Any]]]:
    query = batch.query_frames[video][batch.query_order[video]]
    key = batch.key_frames[video][batch.key_order[video]]
    views = [*query, *key, batch.anchor_second_view[video]]
    return int(batch.order_label[video]), [pixels_of(view, mean=mean, std=std) for view in views]


def pixels_of(view: Tensor, *, mean: Sequence[float], std: Sequence[float]) -> np.ndarray[Any, Any]:
    """uint8 `[H, W, 3]` of a normalized view; of a clip its middle frame."""
    frame = view[:, view.shape[1] // 2] if view.dim() == 4 else view
    frame_HWC = frame.detach().float().cpu().movedim(0, -1)
    shown = (frame_HWC * torch.tensor(list(std)) + torch.tensor(list(mean))).clamp(0, 1) * 255
    return np.asarray(shown.round().to(torch.uint8).numpy())


def _padded(tile: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.pad(tile, ((0, GAP_PIXELS), (0, GAP_PIXELS), (0, 0)), constant_values=255)


def _caption(text: str, *, width: int) -> np.ndarray[Any, Any]:
    band = Image.new("RGB", (width, CAPTION_PIXELS), "white")
    ImageDraw.Draw(band).text((2, 1), text, fill="black")
    return np.asarray(band)
