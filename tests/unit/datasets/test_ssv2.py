"""Something-Something v2's layouts in miniature, in VP9."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.video_fixture import make_ssv2

from vclr_pl.datasets.ssv2 import ssv2
from vclr_pl.types import InputError


def names(manifest):
    return [(Path(manifest.path(index)).name, manifest.label(index)) for index in range(len(manifest))]


@pytest.mark.parametrize("later_release", [False, True])
def test_official_splits(tmp_path, later_release):
    splits = ssv2(root=make_ssv2(tmp_path, later_release=later_release))
    assert names(splits.train) == [("101.webm", 1), ("102.webm", 0), ("103.webm", 1)]
    assert names(splits.test) == [("201.webm", 1), ("202.webm", 0)]
    assert splits.published
    assert splits.train.class_names == splits.test.class_names == ("Holding something", "Moving something up")


def test_what_is_wrong_is_told(tmp_path):
    root = make_ssv2(tmp_path / "root")
    (root / "20bn-something-something-v2/102.webm").unlink()
    with pytest.raises(InputError, match=r"train\.json on disk; got 1 missing, the first is '.*102\.webm'"):
        ssv2(root=root)
    train = root / "something-something-v2-train.json"
    train.write_text('[{"id": "101", "template": "Eating [something]"}]')
    with pytest.raises(InputError, match=r"the templates of labels\.json; got 'Eating something' of video 101"):
        ssv2(root=root)
    train.write_text('[{"id": "../../101", "template": "Holding [something]"}]')
    with pytest.raises(InputError, match=r"data\.allow_outside_root=true"):
        ssv2(root=root)
    train.unlink()
    with pytest.raises(InputError, match=r"something-something-v2-train\.json'; got no such file.*data\.lists=DIR"):
        ssv2(root=root)


def test_numbers_of_templates_may_have_gaps_and_must_be_numbers(tmp_path):
    root = make_ssv2(tmp_path)
    labels = root / "something-something-v2-labels.json"
    labels.write_text('{"Moving something up": "2000000000", "Holding something": 7}')
    splits = ssv2(root=root)
    assert splits.train.labels.tolist() == [1, 0, 1]
    assert splits.train.class_names == ("Holding something", "Moving something up")
    labels.write_text('{"Moving something up": "²", "Holding something": "1"}')
    with pytest.raises(InputError, match=r"labels\.json to give each template a number"):
        ssv2(root=root)


@pytest.mark.parametrize(("text", "told"), [("{", r"not JSON \("), ('[{"id": "101"}]', "entry 0"), ("[7]", "entry 0")])
def test_lists_of_another_form_are_told(tmp_path, text, told):
    root = make_ssv2(tmp_path)
    (root / "something-something-v2-train.json").write_text(text)
    with pytest.raises(InputError, match=told):
        ssv2(root=root)


def test_a_mark_of_the_encoding_is_passed_over(tmp_path):
    root = make_ssv2(tmp_path)
    for path in root.glob("*.json"):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(ssv2(root=root).train) == 3
