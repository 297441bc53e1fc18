import numpy as np
import torch
from tests.unit.data.transform.test_photometric import PUBLISHED, in_unit_range

from vclr_pl.data.transform.contrastive import ContrastiveTransform
from vclr_pl.data.transform.photometric import Photometric
from vclr_pl.data.transform.published import PublishedTransform

SIZE_PIXELS = 48
SHAPE = {"size_pixels": SIZE_PIXELS, "scale": [0.2, 1.0], "ratio": [3 / 4, 4 / 3]}
PHOTOMETRIC = Photometric(**PUBLISHED)
PUBLISHED_TRANSFORM = PublishedTransform(**SHAPE, photometric=PHOTOMETRIC)


def smooth_frame() -> torch.Tensor:
    """Colors that change slowly, as in a photograph: rounding and borders stay small."""
    rows, columns = torch.meshgrid(torch.linspace(0, 3, 90), torch.linspace(0, 4, 120), indexing="ij")
    waves = torch.stack([torch.sin(rows + columns), torch.cos(rows - columns), torch.sin(2 * rows)])
    return ((waves + 1) * 100 + 25).to(torch.uint8)


def test_the_same_draws_make_the_same_picture_as_the_batched_way():
    """PIL rounds to 8 bits after every operation and blurs by three boxes: 1% apart on average, not more."""
    frame, crop = smooth_frame(), ContrastiveTransform(**SHAPE)
    for seed in range(40):
        published = PUBLISHED_TRANSFORM.geometry(frame, np.random.default_rng(seed))
        generator = np.random.default_rng(seed)
        view = crop.geometry(frame, generator)
        batched = in_unit_range(PHOTOMETRIC.apply(view[None], PHOTOMETRIC.draw(1, generator)))[0]
        assert (published.dtype, tuple(published.shape)) == (torch.uint8, (3, SIZE_PIXELS, SIZE_PIXELS))
        assert float((published / 255 - batched).abs().mean()) < 0.01, seed


def test_a_clips_frames_share_one_draw():
    clip = torch.stack([smooth_frame(), smooth_frame().flip(-1)], dim=1)
    views = PUBLISHED_TRANSFORM.geometry(clip, np.random.default_rng(0))
    assert tuple(views.shape) == (3, 2, SIZE_PIXELS, SIZE_PIXELS)
    for moment in range(2):
        assert torch.equal(views[:, moment], PUBLISHED_TRANSFORM.geometry(clip[:, moment], np.random.default_rng(0)))
