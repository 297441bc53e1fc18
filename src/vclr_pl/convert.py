"""`python -m vclr_pl.convert`: weights from one form into another, by name, without executing anything from a file."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig

from vclr_pl.runner.run import run
from vclr_pl.types import InputError

logger = logging.getLogger(__name__)


def convert(config: DictConfig) -> None:
    """Read `input` in the form `from`, write `output` in the form `to`."""
    source = _form(config, "from")(path=str(config.input))
    target = _form(config, "to")(path=str(config.output))
    if not hasattr(target, "write"):
        writable = [name for name in config.form if hasattr(_form(config, name, key=name)(path=""), "write")]
        raise InputError(expected=f"to= one of {', '.join(writable)}", got=f"to={config.to}", remedy="That form can only be read.")
    Path(config.output).absolute().parent.mkdir(parents=True, exist_ok=True)
    tensors = source.read()
    written = target.write(tensors)
    logger.info("%d tensors read from %s, %d written to %s", len(tensors), config.input, len(written), config.output)
    left = [name for name in tensors if name not in written]
    if left:
        logger.info("not in the form %s: %s%s", config.to, ", ".join(left[:4]), ", ..." if len(left) > 4 else "")


def _form(config: DictConfig, name: str, *, key: str | None = None) -> Any:
    chosen = key if key is not None else config[name]
    if chosen not in config.form:
        raise InputError(expected=f"{name}= one of {', '.join(config.form)}", got=f"{name}={chosen}", remedy="Choose one of them.")
    return instantiate(config.form[chosen])


def main() -> None:
    sys.exit(run(convert, config_name="convert"))


if __name__ == "__main__":
    main()
