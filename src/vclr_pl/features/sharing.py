"""Encoders in a folder, or in a repository of the Hugging Face hub: backbone.safetensors, config.json and README.md, the model card."""

from __future__ import annotations

import importlib.metadata
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard, ModelCardData, ModelHubMixin
from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError
from safetensors.torch import save

from vclr_pl.backbone.hub_cache import fetched_folder, first_line, hub_answers, quiet_hub
from vclr_pl.features.model_card import CONFIG, RESULTS, card_text
from vclr_pl.files import write_whole
from vclr_pl.types import InputError

logger = logging.getLogger(__name__)

HUB = "hf://"
WEIGHTS, SETTINGS = "backbone.safetensors", "config.json"
LIBRARY = "vclr_pl"


class SharedEncoder(ModelHubMixin, library_name=LIBRARY, tags=["video", "self-supervised-learning", "feature-extraction"]):
    """`save_pretrained(folder)` and `push_to_hub("owner/name")` of an encoder; `load_encoder` reads both.

    `model_card_kwargs` of both: `license_name`, and `results`, a run folder of `evaluate`, whose figures have intervals.
    """

    run: Path | None = None  # the run folder of its training

    def description(self) -> dict[str, Any]:
        """The network, its input and its pooling, as JSON.

        Raises:
            InputError: the network is not one that a file can describe.
        """
        encoder: Any = self
        architecture = getattr(encoder.backbone, "exported_as", None)
        if architecture is None:
            raise InputError(
                expected="an encoder whose network a file can describe",
                got=type(encoder.backbone).__name__,
                hint="Share an encoder of pretraining, or one of timm, torchvision or transformers.",
            )
        view = encoder.view
        return {
            "architecture": architecture,
            "frames": view.frames,
            "crop_pixels": view.crop_pixels,
            "short_side_pixels": view.short_side_pixels,
            "mean": list(view.mean),
            "std": list(view.std),
            "frames_per_clip": encoder.frames_per_clip,
            "frame_stride": encoder.frame_stride,
            **encoder.pooling.described,
            "feature_dim": encoder.feature_dim,
        }

    def _save_pretrained(self, save_directory: Path) -> None:
        encoder: Any = self
        described = self.description()
        tensors = {name: value.detach().cpu().contiguous().clone() for name, value in encoder.backbone.state_dict().items()}
        metadata = {name: json.dumps(value) for name, value in described.items()}
        write_whole(save_directory / WEIGHTS, save(tensors, metadata=metadata))
        library = {"library_name": LIBRARY, "library_version": importlib.metadata.version("vclr-pl")}
        write_whole(save_directory / SETTINGS, json.dumps({**described, **library}, indent=2) + "\n")

    @classmethod
    def _from_pretrained(cls, *, model_id: str, **_: Any) -> Any:
        place = model_id if Path(model_id).is_dir() else HUB + model_id
        raise InputError(expected="load_encoder", got="from_pretrained", hint=f'Write vclr_pl.load_encoder("{place}").')

    def generate_model_card(
        self, *, repo: str | None = None, license_name: str | None = None, results: str | None = None, **_: Any
    ) -> ModelCard:
        """README.md. `repo` is owner/name, None for a folder."""
        figures = None if results is None else Path(results)
        place = "." if repo is None else HUB + repo
        text = card_text(description=self.description(), place=place, run=self.run, results=figures, license_name=license_name)
        known = self._hub_mixin_info.model_card_data.to_dict()
        data = ModelCardData(**{**known, "license": license_name})
        return ModelCard(f"---\n{data.to_yaml()}\n---\n\n{text}")

    def push_to_hub(self, repo_id: str, *, model_card_kwargs: dict[str, Any] | None = None, **options: Any) -> str:
        """Upload to `owner/name`; the repository is made if it does not exist. Returns the address of the commit.

        Args:
            model_card_kwargs: see the class.
            options: `private`, `token`, `branch` and others of huggingface_hub's `ModelHubMixin.push_to_hub`.

        Raises:
            InputError: no way to the hub, no token, or a refused one.
        """
        self.description()
        if not hub_answers():
            raise InputError(
                expected="a way to the Hugging Face hub",
                got="no network",
                hint="Write a folder instead.",
            )
        card = {"repo": repo_id, **(model_card_kwargs or {})}
        try:
            with quiet_hub():
                return str(super().push_to_hub(repo_id, model_card_kwargs=card, **options))
        except (LocalTokenNotFoundError, HfHubHTTPError, ValueError) as error:
            raise InputError(
                expected=f"a token that may write to {repo_id}", got=first_line(error), hint="Run: hf auth login, or set HF_TOKEN."
            ) from error


def shared_folder(name: str) -> Path:
    """The folder of `hf://owner/name` in the cache.

    Raises:
        InputError: no such repository, no way to it, or one without an encoder of this package.
    """
    repo = name.removeprefix(HUB).strip("/")
    folder = fetched_folder(repo, files=(WEIGHTS, SETTINGS))
    if not (folder / WEIGHTS).is_file():
        known = _settings(folder)
        of_transformers = "model_type" in known
        raise InputError(
            expected=f"an encoder of vclr_pl, with {WEIGHTS}",
            got=f"{name}, {'a model of transformers' if of_transformers else 'without one; other files, such as pickles, are not read'}",
            hint=f"Write encoder=hf:{repo}." if of_transformers else "Write a folder or repository by save_pretrained or push_to_hub.",
        )
    return folder


def local_path(path: str) -> str:
    """The folder in the cache for `hf://owner/name`, any other path as it is; errors as in `shared_folder`."""
    return str(shared_folder(path)) if path.startswith(HUB) else path


def run_folder(path: Path) -> Path | None:
    """The run folder of an encoder's file or folder; None where there is none."""
    near = (path, path.parent, path.parent.parent)
    return next((folder for folder in near if (folder / RESULTS).is_file() and (folder / CONFIG).is_file()), None)


def _settings(folder: Path) -> Mapping[str, Any]:
    try:
        content = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


class HubFolder:
    """Writes encoders for the hub: to a folder, or to `hf://owner/name`.

    Args:
        path: of the folder, or the name.
        license: for the model card, for instance `apache-2.0`.
        results: run folder of `evaluate` for the model card, whose figures have intervals.
    """

    is_folder = True

    def __init__(self, *, path: str, license: str | None, results: str | None) -> None:
        self.path, self.card = path, {"license_name": license, "results": results}

    def write_encoder(self, encoder: Any) -> None:
        """Save or upload; an existing README.md of a folder is kept.

        Raises:
            InputError: the network cannot be described, or there is no way to the hub.
        """
        if self.path.startswith(HUB):
            logger.info("%s", encoder.push_to_hub(self.path.removeprefix(HUB), model_card_kwargs=self.card))
        else:
            encoder.save_pretrained(self.path, model_card_kwargs=self.card)
