from __future__ import annotations

import pytest

from vclr_pl.runner.suggestion import NOTHING, OPTION, did_you_mean, fitted_hint

KEYS = ["loader.batch_size", "loader.workers", "trainer.max_epochs", "seed", "objective.terms.segment_contrast.temperature"]


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("loader.batchsize", "loader.batch_size"),
        ("sede", "seed"),
        ("trainer.epochs", "trainer.max_epochs"),
        ("objective.terms.segment_contrst.temperature", "objective.terms.segment_contrast.temperature"),
    ],
)
def test_the_nearest_name_comes_first(name, first):
    assert did_you_mean(name, KEYS).removeprefix("Did you mean ").split()[0].rstrip("?") == first


OPTIONS = ["data", "data.root", "transform.size_pixels", "evaluation_view.crop_pixels", "loader.batch_size", "loader.workers"]
OPTIONS += ["callback.broken_videos.path", "optimizer.lr", "sampling.frames_per_clip", "preview.workers", "data.worker_folders"]


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("data.size", "transform.size_pixels or evaluation_view.crop_pixels"),
        ("size", "transform.size_pixels or evaluation_view.crop_pixels"),
        ("data.resolution", "transform.size_pixels or evaluation_view.crop_pixels"),
        ("data.frames_per_clip", "sampling.frames_per_clip"),
        ("model.lr", "optimizer.lr"),
        ("learning_rate", "optimizer.lr"),
        ("data.workers", "loader.workers or preview.workers"),
        ("data.path", "data.root"),
        ("transform.batch", "loader.batch_size"),
    ],
)
def test_the_last_part_counts_over_all_groups(name, names):
    assert did_you_mean(name, OPTIONS) == f"Did you mean {names}?"


def test_few_names_are_all_told_where_none_is_near():
    assert did_you_mean("xyzzy", ["b", "a", "a"]) == "There are: a, b."
    assert did_you_mean("xyzzy", [f"name_{number}" for number in range(41)]) == "See --cfg job for all keys."
    assert did_you_mean("sede", KEYS) == "Did you mean seed?"


KNOWN = ["protocol.frames", "gallery.root", "measures.a.ranks", "measures.b.ranks", "sheet.columns", "neighbors"]
KNOWN += ["loader.workers", "gallery.seed"]
PLACES = {"backbone": "backbone", "data": "gallery", "protocol": "protocol"}


@pytest.mark.parametrize(
    ("hint", "fitted"),
    [
        ("Set neighbors=10.", "Set neighbors=10."),
        ("Set columns=6, or 7.", "Set sheet.columns=6, or 7."),
        ("Set ranks=[1,5].", "Set measures.b.ranks=[1,5]."),
        ("Set data.root=DIR, or data.lists=DIR.", NOTHING),
        ("Set data.root=DIR.", "Set gallery.root=DIR."),
        ("Give data=video_list data.train=FILE.", "Give data=video_list gallery.train=FILE."),
        ("Set trainer.devices=1. Or name one: backbone=resnet18.", "Or name one: backbone=resnet18."),
        ("Name one, for instance backbone=no_such.", NOTHING),
        ("Set data.seed=1. Or set loader=null, which is no group here.", "Set gallery.seed=1."),
        ("Name it (backbone=...).", "Name it (backbone=...)."),
        ("Set protocol=default; mean=1 of 0.5 is no option.", NOTHING),
        ("Correct the path. See docs/data.md.", "Correct the path. See docs/data.md."),
    ],
)
def test_options_of_the_command(hint, fitted):
    assert fitted_hint(hint, known=KNOWN, places=PLACES, node="measures.b") == fitted


def test_options_are_found_in_prose():
    found = [
        match["key"] for match in OPTION.finditer("Use a=1 or b.c=[1,2] (d/e=x): load_encoder(..., f=module), a == b, x>=3, G=1 --h=2")
    ]
    assert found == ["a", "b.c", "d/e"]
