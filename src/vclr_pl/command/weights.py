"""`convert` writes weights in another format, by tensor name, or a network as ONNX. No code in a file is executed."""

from __future__ import annotations

import difflib
import logging
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig

from vclr_pl.command.result import ConvertResult
from vclr_pl.features.recognizer import is_recognizer, load_recognizer
from vclr_pl.types import InputError

logger = logging.getLogger(__name__)

ANY_ENCODER = "encoder"
READS, WRITES_WEIGHTS, WRITES_NETWORK = "read", "write", "write_encoder"


def convert(config: DictConfig) -> ConvertResult:
    """Read `input` in the format `from`, write `output` in the format `to`."""
    source = _form(config, "from", READS)(path=str(config.input))
    target = _form(config, "to", WRITES_WEIGHTS, WRITES_NETWORK)(path=str(config.output))
    if Path(config.output).is_dir() and not getattr(target, "is_folder", False):
        raise InputError(expected="a file to write", got=f"output={config.output}, a folder", hint="Add a file name.")
    left_out = _write_network(config, target) if hasattr(target, WRITES_NETWORK) else _write_weights(config, source, target)
    return ConvertResult(output=Path(config.output), left_out=tuple(left_out))


def _write_weights(config: DictConfig, source: Any, target: Any) -> list[str]:
    """Return the names of the tensors that the format cannot store."""
    tensors = source.read()
    written = target.write(tensors)
    logger.info("%d tensors read from %s, %d written to %s", len(tensors), config.input, len(written), config.output)
    left = [name for name in tensors if name not in written]
    if left:
        logger.info("not stored in the format %s: %s%s", config.to, ", ".join(left[:4]), ", ..." if len(left) > 4 else "")
    return left


def _write_network(config: DictConfig, target: Any) -> list[str]:
    """Write the network itself, which the input file must describe, or reveal by its tensors, as for `encoder=` of other commands."""
    if config["from"] != ANY_ENCODER:
        raise InputError(expected=f"from={ANY_ENCODER} with to={config.to}", got=f"from={config['from']}", hint="Remove from=.")
    backbone = instantiate(config.get("backbone"))
    if is_recognizer(str(config.input)):
        encoder: Any = load_recognizer(str(config.input), backbone=backbone)
    else:
        encoder = instantiate(config.protocol).load(str(config.input), momentum=False, backbone=backbone)
    target.write_encoder(encoder)
    logger.info("%s, written to %s", encoder.origin, config.output)
    return []


def _form(config: DictConfig, key: str, *abilities: str) -> Any:
    """The class of the format config[key]; it must have one of the abilities."""
    forms = {name: instantiate(node) for name, node in config.form.items()}
    able = [name for name, form in forms.items() if any(hasattr(form(path=""), ability) for ability in abilities)]
    chosen = str(config[key])
    if chosen not in able:
        only = "This format can only be written." if key == "from" else "This format can only be read."
        near = " or ".join(difflib.get_close_matches(chosen, able))
        hint = only if chosen in forms else f"Did you mean {near}?" if near else "Choose one of them."
        raise InputError(expected=f"{key}= one of {', '.join(able)}", got=f"{key}={chosen}", hint=hint)
    return forms[chosen]
