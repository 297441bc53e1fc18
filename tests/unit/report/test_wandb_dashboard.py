"""The saved view, built by W&B's own package: every panel names metrics that a run logs (tests/integration/test_wandb.py)."""

from __future__ import annotations

import json
import re

import pytest

from vclr_pl.report.wandb_dashboard import NAME, SECTIONS, STEP, workspace

LOGGED = ["train/loss", "train/loss_inter_frame", "train/inter_frame_positive_similarity", "train/inter_frame_batch_similarity"]
LOGGED += ["train/inter_frame_batch_accuracy", "train/lr", "train/videos_per_second", "train/data_wait_percent", "val/knn_top1"]
LOGGED += ["val/copy_top1", "val/top1", "evaluation/knn_top1"]


def test_every_panel_shows_something_that_is_logged():
    for panels in SECTIONS.values():
        for panel in panels:
            assert set(panel.metrics) <= set(LOGGED)
            assert panel.metrics or any(re.fullmatch(panel.pattern, name) for name in LOGGED)


def test_the_view_has_every_panel_over_the_step():
    pytest.importorskip("wandb_workspaces", reason="the dashboard is an option: pip install wandb-workspaces")
    view = json.loads(workspace(entity="somebody", project="videos")._to_model().model_dump_json(by_alias=True))
    assert (view["entity"], view["project"], view["displayName"]) == ("somebody", "videos", NAME)
    sections = [section for section in view["spec"]["section"]["panelBankConfig"]["sections"] if section["panels"]]
    assert [section["name"] for section in sections] == list(SECTIONS)
    panels = [panel["config"] for section in sections for panel in section["panels"]]
    wanted = [panel for section in SECTIONS.values() for panel in section]
    assert [panel["chartTitle"] for panel in panels] == [panel.title for panel in wanted]
    assert {panel["xAxis"] for panel in panels} == {STEP}
    assert [panel.get("metricRegex") for panel in panels] == [panel.pattern for panel in wanted]
