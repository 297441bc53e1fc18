"""The page of test videos and their nearest training videos, from a composed config."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig

from vclr_pl.report.page_maker import PageMaker
from vclr_pl.report.retrieval_page import Figure
from vclr_pl.types import FeatureTable

PAGE_FILE = "retrieval.html"


def write_search_page(
    config: DictConfig,
    *,
    folder: Path,
    manifests: dict[str, Any],
    origin: str,
    view: Any,
    gallery: FeatureTable,
    query: FeatureTable | None,
    figures: list[Figure],
) -> Path | None:
    """`folder`/retrieval.html; nothing, and None, where `config.page` is null.

    Args:
        manifests: the lists that the tables were read from, by `gallery` and `query`.
        origin: of the encoder, in words.
        view: of the encoder: what it saw of each frame.
        query: without it each training video is shown with the others.
        figures: for the top of the page.
    """
    if config.get("page") is None:
        return None
    pictures = instantiate(config.preview).pictures
    maker = PageMaker(options=instantiate(config.page), pictures=pictures, manifests=manifests, origin=origin, view=view)
    return maker.write_search(folder / PAGE_FILE, gallery=gallery, query=query, figures=figures)
