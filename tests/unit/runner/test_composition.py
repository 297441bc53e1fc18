"""What configs ask of the code is answered where it is composed."""

from __future__ import annotations

from omegaconf import OmegaConf

from vclr_pl.runner.composition import register_resolvers


def test_a_config_asks_for_the_short_side_and_the_precision():
    register_resolvers()
    config = OmegaConf.create({"short": "${usual_short_side:224}", "precision": "${faster_precision:mps}"})
    assert config.short == 256
    assert config.precision == "32-true"
