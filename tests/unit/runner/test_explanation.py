"""Comments of YAML files as explanations."""

from __future__ import annotations

import pytest

from vclr_pl.runner import explanation
from vclr_pl.runner.explanation import choice_keys, choice_text, command_text, explained_groups, explained_keys

COMMAND = """\
# python -m vclr_pl.toy key=value     Do something
# useful.
#
# A paragraph of
# two lines.
#
# Options: seed
# queue.length
#
# Examples:
#   python -m vclr_pl.toy  # the smallest
#   python -m vclr_pl.toy seed=1  # another seed
#
# Docs: docs/toy.md
defaults:
  - _self_
  - queue: short # Queue of negatives.
  # Videos of a
  # collection.
  - data@gallery: folder
  - silent: null
  - override hydra/job_logging: plain

seed: 0 # Seed.
hydra:
  job: 1
"""
GROUP = """\
# queue=short partner=one queue.path=FILE (toy, train): a short queue: for tests
first: 1 # Behind.
# Above,
# on two lines.
second: [1, 2]
third: "a # b" # After a string with a number sign.
# A node.
node:
  _target_: somewhere
  # Above in the node.
  fourth: null # And behind.
  fifth: ${seed}
other: {a: 1} # A mapping in one line.

# Not directly above.

sixth: true
"""


@pytest.fixture
def conf(tmp_path, monkeypatch):
    (tmp_path / "queue").mkdir()
    (tmp_path / "toy.yaml").write_text(COMMAND)
    (tmp_path / "queue" / "short.yaml").write_text(GROUP)
    (tmp_path / "queue" / "longer.yaml").write_text(
        "# queue=longer: more\ndefaults:\n  - short\n  - _self_\n\nfirst: 2\nsecond: [3] # Own.\n"
    )
    monkeypatch.setattr(explanation, "config_folder", lambda: tmp_path)
    return tmp_path


def test_the_comment_of_an_option_is_behind_or_directly_above_it(conf):
    found = explained_keys(conf / "queue" / "short.yaml")
    assert {key: (one.text, one.value) for key, one in found.items()} == {
        "first": ("Behind.", 1),
        "second": ("Above, on two lines.", [1, 2]),
        "third": ("After a string with a number sign.", "a # b"),
        "node": ("A node.", {"_target_": "somewhere", "fourth": None, "fifth": "${seed}"}),
        "node.fourth": ("Above in the node. And behind.", None),
        "node.fifth": ("", "${seed}"),
        "other": ("A mapping in one line.", {"a": 1}),
        "other.a": ("A mapping in one line.", 1),
        "sixth": ("", True),
    }


def test_a_file_that_extends_another_inherits_its_comments(conf):
    found = choice_keys("queue", "longer")
    assert (found["first"].text, found["first"].value) == ("Behind.", 2)
    assert (found["second"].text, found["second"].value) == ("Own.", [3])
    assert found["node.fourth"].text == "Above in the node. And behind."


def test_the_groups_of_a_command(conf):
    assert explained_groups(conf / "toy.yaml") == {"queue": "Queue of negatives.", "data@gallery": "Videos of a collection.", "silent": ""}
    assert list(explained_keys(conf / "toy.yaml")) == ["seed"]


def test_the_head_of_a_command(conf):
    text = command_text("toy")
    assert text.usage == "python -m vclr_pl.toy key=value"
    assert text.summary == "Do something useful."
    assert text.description == ("A paragraph of two lines.",)
    assert text.options == ("seed", "queue.length")
    assert text.examples == (("python -m vclr_pl.toy", "the smallest"), ("python -m vclr_pl.toy seed=1", "another seed"))
    assert text.documents == "docs/toy.md"


def test_the_head_of_a_choice(conf):
    text = choice_text(conf / "queue" / "short.yaml")
    assert (text.text, text.partners, text.commands) == ("a short queue: for tests", ("partner=one",), ("toy", "train"))
    assert (text.serves("toy"), text.serves("embed")) == (True, False)
    assert choice_text(conf / "queue" / "longer.yaml").serves("embed")


def test_the_head_of_an_experiment(tmp_path):
    file = tmp_path / "demo.yaml"
    file.write_text("# @package _global_\n# python -m vclr_pl.train a=b     renders videos: a few\n# of them\nname: demo\n")
    assert choice_text(file).text == "renders videos: a few of them"
