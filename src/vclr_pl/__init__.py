"""Video Contrastive Learning with Global Context (VCLR), as PyTorch Lightning modules: the public API.

Everything here is imported when it is first used: `import vclr_pl` imports neither torch nor Lightning.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import logging
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vclr_pl.api import check as check
    from vclr_pl.api import compare as compare
    from vclr_pl.api import convert as convert
    from vclr_pl.api import embed as embed
    from vclr_pl.api import evaluate as evaluate
    from vclr_pl.api import finetune as finetune
    from vclr_pl.api import localize as localize
    from vclr_pl.api import prepare as prepare
    from vclr_pl.api import published_data as published_data
    from vclr_pl.api import published_module as published_module
    from vclr_pl.api import reproduce as reproduce
    from vclr_pl.api import retrieve as retrieve
    from vclr_pl.api import train as train
    from vclr_pl.api import visualize as visualize
    from vclr_pl.data.datamodule import VideoDataModule as VideoDataModule
    from vclr_pl.datasets.manifest import Manifest as Manifest
    from vclr_pl.datasets.manifest import VideoSplits as VideoSplits
    from vclr_pl.features.encoder import load_encoder as load_encoder
    from vclr_pl.features.recognizer import load_recognizer as load_recognizer
    from vclr_pl.pretrain.vclr_module import VCLRModule as VCLRModule
    from vclr_pl.types import InputError as InputError

    __version__: str

COMMANDS = (
    *("check", "compare", "convert", "embed", "evaluate", "finetune", "localize", "prepare"),
    *("reproduce", "retrieve", "train", "visualize"),
)
MODULES = {
    **dict.fromkeys((*COMMANDS, "published_data", "published_module"), "vclr_pl.api"),
    "InputError": "vclr_pl.types",
    "Manifest": "vclr_pl.datasets.manifest",
    "VCLRModule": "vclr_pl.pretrain.vclr_module",
    "VideoDataModule": "vclr_pl.data.datamodule",
    "VideoSplits": "vclr_pl.datasets.manifest",
    "load_encoder": "vclr_pl.features.encoder",
    "load_recognizer": "vclr_pl.features.recognizer",
}
__all__ = [  # spelled out, so that type checkers and the API reference read it
    "InputError",
    "Manifest",
    "VCLRModule",
    "VideoDataModule",
    "VideoSplits",
    "__version__",
    "check",
    "compare",
    "convert",
    "embed",
    "evaluate",
    "finetune",
    "load_encoder",
    "load_recognizer",
    "localize",
    "prepare",
    "published_data",
    "published_module",
    "reproduce",
    "retrieve",
    "train",
    "visualize",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return importlib.metadata.version("vclr-pl")
    if name in MODULES:
        return getattr(importlib.import_module(MODULES[name]), name)
    raise AttributeError(f"module 'vclr_pl' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """Keeps `vclr_pl.train` the function of the API after `python -m vclr_pl.train` or an import of that module.

    Python sets a submodule as an attribute of its package when it is imported; for the commands this is ignored. The modules are
    reached by `from vclr_pl.train import main`.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in COMMANDS and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def _concerns_drawing(record: logging.LogRecord) -> bool:
    """False for the messages on matplotlib's cache folder at its import: Lightning imports it and draws nothing."""
    return not any(part in record.getMessage() for part in ("temporary cache directory", "mkdir -p failed for path"))


logging.getLogger("matplotlib").addFilter(_concerns_drawing)
