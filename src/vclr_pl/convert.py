"""`python -m vclr_pl.convert`: weights from one form into another, by name, without executing anything from a file; or into ONNX."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig

from vclr_pl.features.recognizer import is_recognizer, load_recognizer
from vclr_pl.runner.run import run
from vclr_pl.runner.suggestion import nearest_names
from vclr_pl.types import InputError

logger = logging.getLogger(__name__)

ANY_ENCODER = "encoder"
READS, WRITES_WEIGHTS, WRITES_NETWORK = "read", "write", "write_encoder"


def convert(config: DictConfig) -> None:
    """Read `input` in the form `from`, write `output` in the form `to`."""
    source = _form(config, "from", READS)(path=str(config.input))
    target = _form(config, "to", WRITES_WEIGHTS, WRITES_NETWORK)(path=str(config.output))
    if Path(config.output).is_dir():
        raise InputError(expected="a file to write", got=f"output={config.output}, a folder", hint="Add a file name.")
    (_write_network if hasattr(target, WRITES_NETWORK) else _write_weights)(config, source, target)


def _write_weights(config: DictConfig, source: Any, target: Any) -> None:
    tensors = source.read()
    written = target.write(tensors)
    logger.info("%d tensors read from %s, %d written to %s", len(tensors), config.input, len(written), config.output)
    left = [name for name in tensors if name not in written]
    if left:
        logger.info("not in the form %s: %s%s", config.to, ", ".join(left[:4]), ", ..." if len(left) > 4 else "")


def _write_network(config: DictConfig, source: Any, target: Any) -> None:  # noqa: ARG001
    """A network takes more than tensors by name: the file has to say which, or show it, as for `encoder=` elsewhere."""
    if config["from"] != ANY_ENCODER:
        raise InputError(expected=f"from={ANY_ENCODER} with to={config.to}", got=f"from={config['from']}", hint="Leave from= away.")
    backbone = instantiate(config.get("backbone"))
    if is_recognizer(str(config.input)):
        encoder: Any = load_recognizer(str(config.input), backbone=backbone)
    else:
        encoder = instantiate(config.protocol).load(str(config.input), momentum=False, backbone=backbone)
    target.write_encoder(encoder)
    logger.info("%s, written to %s", encoder.origin, config.output)


def _form(config: DictConfig, key: str, *abilities: str) -> Any:
    """The class that config[key] names, among those that can do one of these."""
    forms = {name: instantiate(node) for name, node in config.form.items()}
    able = [name for name, form in forms.items() if any(hasattr(form(path=""), ability) for ability in abilities)]
    chosen = str(config[key])
    if chosen not in able:
        only = "That form is only written." if key == "from" else "That form is only read."
        near = " or ".join(nearest_names(chosen, able))
        hint = only if chosen in forms else f"Did you mean {near}?" if near else "Choose one of them."
        raise InputError(expected=f"{key}= one of {', '.join(able)}", got=f"{key}={chosen}", hint=hint)
    return forms[chosen]


def main() -> None:
    sys.exit(run(convert, config_name="convert"))


if __name__ == "__main__":
    main()
