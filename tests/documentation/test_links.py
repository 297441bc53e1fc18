"""Links lead somewhere, and no number is left to be measured."""

from __future__ import annotations

import re

import pytest
from tests.documentation.documented_commands import DOCUMENTS, ROOT, anchors, links


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    lost = []
    for link in links(path.read_text()):
        place, _, anchor = link.partition("#")
        target = (path.parent / place).resolve() if place else path
        if not target.exists() or (anchor and anchor not in anchors(target.read_text())):
            lost.append(link)
    assert lost == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_files_named_in_prose_exist(path):
    """Code spans that look like paths of ours."""
    named = re.findall(r"`((?:src|conf|tests|docs|benchmarks)/[\w./-]+)`", path.read_text())
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_number_was_measured(path):
    assert "TO MEASURE" not in path.read_text()


def test_links_are_extracted():
    text = '[a](docs/a.md#one) ![b](b.svg) <img src="c.png"> [d](https://example.org) [e](#one-two)'
    assert links(text) == ["docs/a.md#one", "b.svg", "c.png", "#one-two"]
    assert anchors("# One: two\n## Three `four`\n") == {"one-two", "three-four"}
