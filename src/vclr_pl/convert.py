"""`python -m vclr_pl.convert`: weights from one form into another, by name, without executing anything from a file; or into ONNX."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig

from vclr_pl.embedding.encoder_weights import is_recognizer
from vclr_pl.embedding.frozen_encoder import load_encoder
from vclr_pl.embedding.recognizer_file import load_recognizer
from vclr_pl.runner.run import run
from vclr_pl.types import InputError

logger = logging.getLogger(__name__)

ANY_ENCODER = "encoder"


def convert(config: DictConfig) -> None:
    """Read `input` in the form `from`, write `output` in the form `to`."""
    source = _form(config, "from")(path=str(config.input))
    target = _form(config, "to")(path=str(config.output))
    if not hasattr(source, "read"):
        raise InputError(
            expected=f"from= one of {_forms(config, 'read')}", got=f"from={config['from']}", remedy="That form is only written."
        )
    if Path(config.output).is_dir():
        raise InputError(expected="a file to write", got=f"output={config.output}, a folder", remedy="Add a file name.")
    if hasattr(target, "write_encoder"):
        _write_network(config, target)
    elif hasattr(target, "write"):
        _write_weights(config, source, target)
    else:
        writable = f"{_forms(config, 'write')}, {_forms(config, 'write_encoder')}"
        raise InputError(expected=f"to= one of {writable}", got=f"to={config.to}", remedy="That form can only be read.")


def _write_weights(config: DictConfig, source: Any, target: Any) -> None:
    tensors = source.read()
    Path(config.output).absolute().parent.mkdir(parents=True, exist_ok=True)
    written = target.write(tensors)
    logger.info("%d tensors read from %s, %d written to %s", len(tensors), config.input, len(written), config.output)
    left = [name for name in tensors if name not in written]
    if left:
        logger.info("not in the form %s: %s%s", config.to, ", ".join(left[:4]), ", ..." if len(left) > 4 else "")


def _write_network(config: DictConfig, target: Any) -> None:
    """A network takes more than tensors by name: the file has to say which, or show it, as for `encoder=` elsewhere."""
    if config["from"] != ANY_ENCODER:
        raise InputError(expected=f"from={ANY_ENCODER} with to={config.to}", got=f"from={config['from']}", remedy="Leave from= away.")
    load = load_recognizer if is_recognizer(str(config.input)) else load_encoder
    encoder = load(str(config.input), backbone=instantiate(config.get("backbone")))
    Path(config.output).absolute().parent.mkdir(parents=True, exist_ok=True)
    target.write_encoder(encoder)
    logger.info("%s, written to %s", encoder.origin, config.output)


def _forms(config: DictConfig, ability: str) -> str:
    return ", ".join(name for name in config.form if hasattr(_form(config, name, key=name)(path=""), ability))


def _form(config: DictConfig, name: str, *, key: str | None = None) -> Any:
    chosen = key if key is not None else config[name]
    if chosen not in config.form:
        raise InputError(expected=f"{name}= one of {', '.join(config.form)}", got=f"{name}={chosen}", remedy="Choose one of them.")
    return instantiate(config.form[chosen])


def main() -> None:
    sys.exit(run(convert, config_name="convert"))


if __name__ == "__main__":
    main()
