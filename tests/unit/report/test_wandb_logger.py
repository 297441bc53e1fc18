from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest
import wandb

from vclr_pl.report import wandb_logger as room


@pytest.mark.parametrize(
    ("mode", "key", "online"), [(None, "k", True), (None, None, False), ("offline", "k", False), ("disabled", "k", False)]
)
def test_it_is_online_with_a_key_and_leave(mode, key, online, monkeypatch):
    monkeypatch.delenv("WANDB_MODE", raising=False) if mode is None else monkeypatch.setenv("WANDB_MODE", mode)
    monkeypatch.setattr(wandb, "api", SimpleNamespace(api_key=key))  # the client keeps the first key that it finds in a process
    assert room.is_online() is online


def test_without_a_key_it_says_how_to_sync(monkeypatch, tmp_path, caplog):
    monkeypatch.setattr(room, "is_online", lambda: False)
    with caplog.at_level(logging.WARNING):
        logger = room.wandb_logger(project="vclr_pl", name="demo", save_dir=str(tmp_path / "run"))
    assert "wandb sync" in caplog.text
    assert logger._offline
    assert wandb.run is None


def test_an_evaluation_is_logged_with_its_page(monkeypatch, tmp_path):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    page = tmp_path / "retrieval.html"
    page.write_text("<h1>Nearest videos</h1>")
    logger = room.wandb_logger(project="vclr_pl", name="evaluate", save_dir=str(tmp_path / "run"))
    try:
        room.log_evaluation([object(), logger], metrics={"knn_top1": 50.0}, page=page)
        room.log_evaluation([logger], metrics={}, page=None)
    finally:
        wandb.finish()
    panels = list((tmp_path / "run").glob("wandb/offline-run-*/files/media/html/**/*.html"))
    assert [panel.read_text() for panel in panels] == ["<h1>Nearest videos</h1>"]
