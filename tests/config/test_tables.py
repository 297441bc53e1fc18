"""conf/table: the published figures and the commands are those of docs/paper_tables.md, and every run composes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from tests.documentation.documented_commands import ROOT, commands

from vclr_pl.config_path import config_folder
from vclr_pl.runner.command_line import hydra_words
from vclr_pl.runner.composition import register_resolvers
from vclr_pl.runner.paper_table import PaperTable, PlannedRun, key_of
from vclr_pl.runner.schema import refuse_unknown_keys

DOCUMENT = (ROOT / "docs" / "paper_tables.md").read_text()
TABLES = sorted(path.stem for path in (config_folder() / "table").glob("*.yaml"))
OURS = ("demo", "imagenet", "terms")  # without published figures
PAPER = [name for name in TABLES if name not in OURS]
PUBLISHED = {  # the paper, tables 1 to 6
    ("linear", "pretrained and evaluated on Kinetics-400", "top-1"): 64.1,
    ("retrieval", "pretrained on Kinetics-400", "UCF101"): 70.6,
    ("retrieval", "pretrained on Kinetics-400", "HMDB51"): 35.2,
    ("retrieval", "pretrained on UCF101", "UCF101"): 46.8,
    ("retrieval", "pretrained on UCF101", "HMDB51"): 17.6,
    ("recognition", "TSN", "UCF101"): 85.6,
    ("recognition", "TSN", "HMDB51"): 54.1,
    ("recognition", "TSN", "Something-Something v2"): 33.3,
    ("recognition", "TSN", "ActivityNet"): 71.9,
    ("recognition", "TSM", "Something-Something v2"): 52.0,
    ("localization", "on the class logits of the fine-tuned TSN", "AUC"): 65.5,
    ("localization", "on the class logits of the fine-tuned TSN", "AR@100"): 73.8,
    ("ablation", "vclr", "UCF101"): 46.8,
}
SECTIONS = {
    "linear": "Linear classification",
    "retrieval": "Video retrieval",
    "recognition": "Recognition",
    "localization": "Temporal action localization",
    "ablation": "Ablation of the loss terms",
}
RUN_NAMES = {"pretrain_kinetics400": "K400_RUN", "pretrain_ucf101": "UCF101_RUN", "tsn_activitynet": "ACTIVITYNET_RUN"}


@pytest.fixture(autouse=True, scope="module")
def hydra_reads_conf() -> Iterator[None]:
    register_resolvers()
    with initialize_config_dir(config_dir=str(config_folder()), version_base="1.3"):
        yield


def table_of(name: str, *overrides: str) -> PaperTable:
    config = compose("reproduce", overrides=[f"table={name}", "paths.run=run", *overrides])
    refuse_unknown_keys(config, config_name="reproduce")
    table: PaperTable = instantiate(config.table)
    return table


def runs_of(name: str, *overrides: str) -> list[PlannedRun]:
    return table_of(name, *overrides).planned(weights={}, options={})


def published(name: str) -> dict[tuple[str, str, str], float]:
    """By row and column; localization has its two measures as columns in the paper."""
    columns = {"auc": "AUC", "ar_100": "AR@100"}
    cells = [cell for run in runs_of(name) for cell in run.cells if cell.published is not None]
    return {(name, cell.row, columns.get(cell.metric, cell.column)): cell.published for cell in cells if cell.published is not None}


def documented(name: str) -> dict[tuple[str, str, str], float]:
    """The first table of the section: rows, columns, and figures where there are any."""
    section = DOCUMENT.partition(f"## {SECTIONS[name]}\n")[2].partition("\n## ")[0]
    lines = [[text.strip() for text in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("|")]
    header, found = lines[0], {}
    for row, *figures in lines[2:]:
        for column, figure in zip(header[1:], figures, strict=True):
            if re.fullmatch(r"\d+\.\d", figure):
                found[name, row, "top-1" if "top-1" in column else column] = float(figure)
    return found


@pytest.mark.parametrize("name", PAPER)
def test_the_published_figures(name: str) -> None:
    own = {key: value for key, value in PUBLISHED.items() if key[0] == name}
    assert published(name) == own
    assert documented(name) == own


def typed(run: PlannedRun) -> list[str]:
    """The words as the document has them: places by their names in capitals, without the seed, in order of the keys."""
    words = [re.sub(r"\{root\.\w+\}", "DIR", re.sub(r"\{weights\.\w+\}", "FILE", word)) for word in run.words]
    words = [re.sub(r"\{run:([\w/]+?)/seed_0\}", lambda found: name_of(found[1]), word) for word in words]
    return sorted(word for word in words if key_of(word) not in ("seed", "objective"))


def name_of(run: str) -> str:
    kind, _, method = run.partition("/")
    return RUN_NAMES.get(kind, f"{method.upper()}_RUN")


@pytest.mark.parametrize("name", PAPER)
def test_the_commands_of_the_document_are_the_runs(name: str) -> None:
    spelled = {(command.program, *sorted(command.arguments)) for command in commands(DOCUMENT, document="paper_tables.md")}
    plain = {(program, *(word for word in words if word != "-m" and not word.startswith("objective="))) for program, *words in spelled}
    for run in runs_of(name):
        assert (run.command, *typed(run)) in plain, shlex.join([run.command, *typed(run)])


def test_runs_of_one_name_are_one_run() -> None:
    known: dict[str, PlannedRun] = {}
    for name in PAPER:
        for run in runs_of(name):
            other = known.setdefault(run.name, run)
            assert (run.words, run.needs, run.command) == (other.words, other.needs, other.command)
    assert "pretrain_kinetics400/seed_0" in known


@pytest.mark.parametrize("name", TABLES)
def test_every_run_composes(name: str) -> None:
    """One of each kind and task: the options exist in the command's config, and no run needs one that comes later."""
    runs = runs_of(name, "table.seeds=[0]")
    before: set[str] = set()
    shapes = set()
    for run in runs:
        assert before.issuperset(run.needs)
        before.add(run.name)
        shape = (run.kind, run.cells[0].values.get("task") if run.cells else run.name)
        if shape in shapes:
            continue
        shapes.add(shape)
        line = run.command_line(folder=Path("runs"), roots=dict.fromkeys(run.places("root"), "DIR"), weights={"moco_v2": "FILE"})
        config = compose(run.command, overrides=[*hydra_words(line, config_name=run.command), "paths.run=run"])
        refuse_unknown_keys(config, config_name=run.command)


def test_a_smaller_demo() -> None:
    runs = runs_of("demo", "table.tasks=[order]", "table.methods=[vclr,seco]", "table.seeds=[3]")
    assert [run.name for run in runs] == [
        "demo_pretrain/order/vclr/seed_3",
        "demo_pretrain/order/seco/seed_3",
        "demo_compare/order/seed_3",
    ]
    assert runs[2].needs == ("demo_pretrain/order/vclr/seed_3", "demo_pretrain/order/seco/seed_3")
