"""Values of `reproduce` that are refused in one line, and those that are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from vclr_pl.config_path import config_folder
from vclr_pl.reproduce import reproduce
from vclr_pl.runner.paper_table import PaperTable
from vclr_pl.runner.run import run
from vclr_pl.runner.table_input import fixed_methods, known_methods, refuse_bad_input

MISTAKES = {
    "plan=maybe": "expected plan=true, plan=measured or plan=false; got plan=maybe.",
    "jobs=x": "expected a number of processes, at least 1; got jobs=x.",
    "jobs=0": "got jobs=0. Set jobs=1.",
    "jobs=1.5": "got jobs=1.5.",
    "jobs=true": "got jobs=True.",
    "skip_missing=all": "expected skip_missing=true or skip_missing=false; got skip_missing=all.",
    "repeat_changed=2": "got repeat_changed=2.",
    "options.train=abc": "got options.train=abc. Write",
    "options.train=[abc]": "got options.train=['abc'].",
    "options.all=3": "expected options.all='{trainer.max_epochs: 1}' or options.all='[trainer.max_epochs=1]'; got options.all=3.",
    "table.tasks=[foo]": "expected table.tasks of composition, order, motion, shape, untrimmed; got table.tasks=foo.",
    "table.tasks=[ordre]": "Did you mean order?",
    "table.tasks=[]": "expected a list with at least one of the tasks; got table.tasks=[].",
    "table.methods=vclr": "got table.methods=vclr. Write it in brackets",
    "table.methods=[vlcr]": "Did you mean vclr?",
    "table.methods=null": "got table.methods=None.",
    "table.seeds=0": "got table.seeds=0.",
    "table.seeds=[]": "got table.seeds=[].",
    "table.seeds=[a]": "expected seeds that are whole numbers from 0; got table.seeds=a.",
    "table.seeds=[0,-1]": "got table.seeds=-1.",
    "table.reference=foo": "got table.reference=foo. There are: ",
}


@pytest.mark.parametrize("word", MISTAKES)
def test_a_mistake_is_one_line(word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["table=demo", f"paths.runs={tmp_path / 'runs'}", *(["plan=true"] if "plan" not in word else []), word]
    assert run(reproduce, config_name="reproduce", arguments=given) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert MISTAKES[word] in line
    assert not (tmp_path / "runs").exists()


def content(name: str, **table: object) -> dict[str, Any]:
    shipped = yaml.safe_load((config_folder() / "table" / f"{name}.yaml").read_text())
    return {"plan": True, "jobs": 2, "skip_missing": False, "repeat_changed": True, "options": {}, "table": {**shipped, **table}}


@pytest.mark.parametrize("name", sorted(path.stem for path in (config_folder() / "table").glob("*.yaml")))
def test_shipped_tables_are_accepted(name: str) -> None:
    refuse_bad_input(content(name))


def test_what_is_accepted() -> None:
    """A reference that is not chosen now, one that is no method, and options in each form."""
    refuse_bad_input(content("demo", methods=["seco"], reference="byol"))
    refuse_bad_input(content("demo", reference="random"))
    refuse_bad_input(content("ablation", methods=["vclr", "clip_contrast"]))
    refuse_bad_input({**content("linear"), "options": {"all": None, "train": {"seed": 1}, "evaluate": ["a=1", "~page"]}})


def test_the_methods_of_a_table() -> None:
    table = content("ablation")["table"]
    assert fixed_methods(table["runs"]) == ["vclr"]
    assert {"byol", "seco", "vclr"} <= set(known_methods(table))
    assert known_methods(content("linear")["table"]) == []


def planned(name: str, **given: object) -> list[str]:
    table = {key: value for key, value in content(name, **given)["table"].items() if not key.startswith("_")}
    return [run.name for run in PaperTable(**table).planned(weights={}, options={})]


def test_a_value_given_twice_is_one_run() -> None:
    assert planned("ablation", seeds=[0, 0]) == planned("ablation", seeds=[0])
    assert planned("demo", tasks=["order", "order"], methods=["seco", "seco"]) == planned("demo", tasks=["order"], methods=["seco"])


def test_a_method_that_the_table_has_anyway_is_not_trained_twice() -> None:
    assert planned("ablation", methods=["vclr", "seco"]) == planned("ablation", methods=["seco"])
    assert planned("ablation", methods=["vclr"]) == ["pretrain_ucf101/seed_0", "ablation_compare/seed_0"]
