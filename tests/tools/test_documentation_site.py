"""tools/documentation_site.py: where links lead on the site, which pages the API reference has, how a notebook is shown."""

from __future__ import annotations

import importlib.util
import re
from types import ModuleType

import pytest
from tests.documentation.documented_commands import ROOT


@pytest.fixture(scope="module")
def site() -> ModuleType:
    specification = importlib.util.spec_from_file_location("vclr_documentation_site", ROOT / "tools" / "documentation_site.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("page", "link", "on_the_site"),
    [
        ("data.md", "[a](evaluation.md#features)", "[a](evaluation.md#features)"),
        ("data.md", "[a](../README.md)", "[a](index.md)"),
        ("data.md", "[a](../src/vclr_pl/types.py)", "[a](source/src/vclr_pl/types.py.md)"),
        ("data.md", "[a](../src/vclr_pl/objective)", "[a](api/objective.md)"),
        ("data.md", "[a](images/draw_curve.py)", "[a](source/docs/images/draw_curve.py.md)"),
        ("data.md", "[a](own_videos.ipynb)", "[a](own_videos.md)"),
        ("index.md", "![a](docs/images/method.svg)", "![a](images/method.svg)"),
        ("index.md", '<img src="docs/images/method.svg">', '<img src="images/method.svg">'),
        ("index.md", "[a](conf/)", "[a](source/conf.md)"),
        ("contributing.md", "[a](docs/data.md)", "[a](data.md)"),
        ("own_videos.md", "[a](data.md)", "[a](data.md)"),
    ],
)
def test_a_link_of_the_repository_leads_to_a_page(site, page, link, on_the_site):
    assert site.relink(link, page=page) == on_the_site


@pytest.mark.parametrize(
    "text", ["[a](https://example.org)", "[a](#anchor)", "[a](missing.md)", "```\n[a](../README.md)\n```\n", "[a](/data.md)"]
)
def test_other_links_stay(site, text):
    assert site.relink(text, page="data.md") == text
    assert list(site.targets(text, page="data.md")) == []


def test_every_package_has_a_page(site, tmp_path):
    for name in ("__init__.py", "types.py", "__main__.py", "net/__init__.py", "net/block.py", "net/deep/__init__.py", "net/deep/inner.py"):
        (tmp_path / "toy" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "toy" / name).touch()
    pages = site.api_pages(tmp_path / "toy")
    documented = {page: [line.removeprefix("::: ") for line in text.splitlines() if line.startswith(":::")] for page, text in pages.items()}
    assert documented == {
        "index.md": ["toy"],
        "net.md": ["toy.net", "toy.net.block", "toy.net.deep.inner"],
        "modules.md": ["toy.types"],
    }


def test_a_notebook_is_shown_with_its_outputs(site):
    printed = {"output_type": "stream", "name": "stdout", "text": ["150\n", "files\n"]}
    shown = {"output_type": "execute_result", "data": {"text/plain": ["(3, 2)"]}}
    picture = {"output_type": "display_data", "data": {"image/jpeg": "AB\nCD", "text/plain": ["<IPython...>"]}}
    cells = [
        {"cell_type": "markdown", "source": ["# Title\n", "text"]},
        {"cell_type": "code", "source": ["print('```')"], "outputs": [printed, shown, picture]},
    ]
    assert site.notebook_page({"cells": cells}).split("\n\n") == [
        "# Title\ntext",
        "````python\nprint('```')\n````",
        "```text\n150\nfiles\n```",
        "```text\n(3, 2)\n```",
        "![Output of the code above](data:image/jpeg;base64,ABCD)\n",
    ]


def test_a_folder_is_listed(site):
    text = site.source_page(ROOT / "conf" / "objective")
    assert "- [vclr.yaml](objective/vclr.yaml.md)" in text
    assert "- [term](objective/term.md)" in text


@pytest.mark.parametrize(
    ("html", "loads"),
    [
        ('<script src="https://example.org/a.js"></script>', True),
        ('<link rel="stylesheet" href="//example.org/a.css">', True),
        ("<link href=https://example.org rel=preload>", True),
        ('<img alt="" src="http://example.org/a.png">', True),
        ('<a href="https://example.org">', False),
        ('<link rel="canonical" href="https://example.org/">', False),
        ('<script src="assets/a.js"></script><img src="data:image/png;base64,AA">', False),
    ],
)
def test_what_loads_from_the_network_is_found(site, html, loads):
    assert bool(site.LOADED.search(html)) == loads


def test_every_page_is_in_the_navigation(site):
    """mkdocs itself is not needed here; `make docs` checks all else."""
    named = set(re.findall(r"^ +- .*: (\w+\.md)\b", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE))
    written = {path.name for path in (ROOT / "docs").glob("*.md")}
    made = {*site.TOP_PAGES.values(), *(f"{path.stem}.md" for path in (ROOT / "docs").glob("*.ipynb"))}
    assert named == written | made
