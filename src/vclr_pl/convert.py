"""`python -m vclr_pl.convert`: weights in another form, by name, or a network as ONNX."""

from __future__ import annotations

import sys

from omegaconf import DictConfig

from vclr_pl.runner.run import run


def convert(config: DictConfig) -> None:
    """Do the command's work, once the config is composed and its keys are known."""
    from vclr_pl.command import weights  # it imports torch and Lightning

    weights.convert(config)


def main() -> None:
    sys.exit(run(convert, config_name="convert"))


if __name__ == "__main__":
    main()
