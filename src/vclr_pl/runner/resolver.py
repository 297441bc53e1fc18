"""What configs ask of the code, as `${name:argument}`."""

from __future__ import annotations

from hydra.utils import get_method
from omegaconf import OmegaConf

from vclr_pl.runner.precision import faster_precision

USUAL_SHORT_SIDE = "vclr_pl.data.transform.evaluation_view.usual_short_side"


def register_resolvers() -> None:
    """Make `${faster_precision:ACCELERATOR}` and `${usual_short_side:224}` known to configs."""
    OmegaConf.register_new_resolver("faster_precision", lambda accelerator: faster_precision(accelerator)[0], replace=True)
    OmegaConf.register_new_resolver("usual_short_side", lambda crop_pixels: get_method(USUAL_SHORT_SIDE)(crop_pixels), replace=True)
