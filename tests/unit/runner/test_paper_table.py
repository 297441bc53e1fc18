"""A table of runs: what they go over, what stands in braces, and which of their options count."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from vclr_pl.runner.paper_table import PaperTable, PlannedRun, identity, is_there, last_of_each_key, listed, refuse_missing
from vclr_pl.types import InputError

PRETRAIN = {
    "name": "pretrain",
    "command": "train",
    "over": ["task", "method", "seed"],
    "options": ["{data}", "objective={method}", "seed={seed}", "weight.path={weights.moco_v2}", "data.root={root.ucf101}"],
    "seconds": 25,
    "pretrains": "ucf101",
}
COMPARE = {
    "name": "compare",
    "command": "compare",
    "over": ["task", "seed"],
    "tasks": ["order"],
    "encoders": {"random": "random", "{method}": "{run.pretrain}"},
    "options": ["{data}", "seed={seed}"],
    "cells": [
        {"row": "{method}", "column": "{task}", "encoder": "{method}", "metric": "retrieval_r1", "published": 46.8},
        {"row": "random", "column": "{task}", "encoder": "random", "metric": "retrieval_r1"},
    ],
}


def table(*entries: dict[str, Any]) -> PaperTable:
    return PaperTable(
        title="Two",
        runs=entries or (PRETRAIN, COMPARE),
        seeds=[0, 7],
        tasks=["order", "motion"],
        methods=["seco", "vclr"],
        data={"order": ["data=demo", "data.task=order"], "motion": ["data=demo", "data.task=motion"]},
    )


def planned(**options: list[str]) -> list[PlannedRun]:
    return table().planned(weights={}, options=options)


def test_a_run_for_each_task_method_and_seed_those_of_a_seed_together() -> None:
    names = [run.name for run in planned()]
    assert names[:5] == [
        "pretrain/order/seco/seed_0",
        "pretrain/order/vclr/seed_0",
        "pretrain/motion/seco/seed_0",
        "pretrain/motion/vclr/seed_0",
        "compare/order/seed_0",
    ]
    assert names[5:] == [name.replace("seed_0", "seed_7") for name in names[:5]]


def test_braces_are_filled_in() -> None:
    pretrain, compare = planned()[1], planned()[4]
    assert pretrain.words[:4] == ("data=demo", "data.task=order", "objective=vclr", "seed=0")
    assert (pretrain.places("weights"), pretrain.places("root"), pretrain.places("run")) == (["moco_v2"], ["ucf101"], [])
    assert (pretrain.kind, pretrain.seconds, pretrain.seed) == ("pretrain", 25, "0")
    assert compare.needs == ("pretrain/order/seco/seed_0", "pretrain/order/vclr/seed_0")
    line = compare.command_line(folder=Path("/a b"), roots={}, weights={})
    assert line == [
        'encoders={random: random, seco: "/a b/pretrain/order/seco/seed_0", vclr: "/a b/pretrain/order/vclr/seed_0"}',
        "data=demo",
        "data.task=order",
        "seed=0",
        'hydra.run.dir="/a b/compare/order/seed_0"',
    ]
    words = pretrain.command_line(folder=Path("r"), roots={"ucf101": "d"}, weights={"moco_v2": "m.pth"})
    assert words[-4:] == ["weight.path=m.pth", "data.root=d", "resume=auto", "hydra.run.dir=r/pretrain/order/vclr/seed_0"]


def test_cells_go_over_what_the_run_does_not() -> None:
    cells = [(cell.row, cell.column, cell.encoder, cell.published) for cell in planned()[4].cells]
    assert cells == [("seco", "order", "seco", 46.8), ("vclr", "order", "vclr", 46.8), ("random", "order", "random", None)]
    assert planned()[4].cells[1].values == {"task": "order", "method": "vclr", "seed": "0"}


def test_a_file_takes_the_place_of_a_training() -> None:
    runs = table().planned(weights={"ucf101": "mine.pth"}, options={})
    assert {run.kind for run in runs} == {"compare"}
    assert runs[0].needs == ()
    assert "encoders={random: random, seco: mine.pth, vclr: mine.pth}" in runs[0].command_line(
        folder=Path(), roots={}, weights={"ucf101": "mine.pth"}
    )


def test_further_options_replace_those_of_the_table() -> None:
    run = planned(train=["data.task=shape", "trainer.max_epochs=1"], all=["page=null"], compare=["a=b"])[0]
    assert run.words[-3:] == ("page=null", "data.task=shape", "trainer.max_epochs=1")
    assert "data.task=order" not in run.words
    assert last_of_each_key(["a=1", "+b.c=2", "b.c=3", "~a"]) == ["b.c=3", "~a"]
    terms = [f"+objective/term@objective.terms.{place}={term}" for place, term in (("a", "nearest_neighbor"), ("b", "byol"), ("b", "x"))]
    assert last_of_each_key(terms) == [terms[0], terms[2]]
    assert planned(train=terms)[0].words[-2:] == (terms[0], terms[2])


def test_what_does_not_change_a_result_does_not_count() -> None:
    runs = {run.name: run for run in planned()}
    run = runs["compare/order/seed_0"]
    same = replace(run, words=(*run.words, "loader.workers=7", "trainer.devices=2"))
    other = replace(run, words=(*run.words, "protocol.frames=3"))
    own = identity(run, runs, files={})
    assert identity(same, runs, files={}) == own
    assert identity(other, runs, files={}) != own
    need = runs["pretrain/order/vclr/seed_0"]
    changed = {**runs, need.name: replace(need, words=(*need.words, "optimizer.lr=1"))}
    assert identity(run, changed, files={}) != own
    assert identity(need, runs, files={"moco_v2": "a.pth"}) != identity(need, runs, files={"moco_v2": "b.pth"})


def test_missing_places_are_asked_for(tmp_path: Path) -> None:
    runs = planned()
    with pytest.raises(InputError, match=r"roots.ucf101=DIR, for pretrain/order/seco/seed_0, .* and 6 more; got none. Set it"):
        refuse_missing(runs, roots={}, weights={"moco_v2": str(tmp_path)})
    with pytest.raises(InputError, match=f"weights.moco_v2=FILE, .*; got no {tmp_path}/x"):
        refuse_missing(runs, roots={"ucf101": str(tmp_path)}, weights={"moco_v2": f"{tmp_path}/x"})
    refuse_missing(runs, roots={"ucf101": str(tmp_path)}, weights={"moco_v2": str(tmp_path)})
    assert is_there("s3://bucket/ucf101")
    assert listed(["a", "b", "c"]) == "a, b and 1 more"
    assert listed(["a"]) == "a"
