from __future__ import annotations

from vclr_pl.evaluation.copy_retrieval import CopyRetrieval
from vclr_pl.evaluation.label_needs import applicable, skipped
from vclr_pl.evaluation.neighbors import Retrieval
from vclr_pl.evaluation.rank_me import RankMe

MEASURES = {"retrieval": Retrieval(ranks=[1]), "rank_me": RankMe(), "linear_probe": lambda **tables: {}}


def test_a_measure_that_declares_nothing_needs_labels():
    assert list(applicable(MEASURES, labeled=False)) == ["rank_me"]
    assert skipped(MEASURES, labeled=False) == ["retrieval", "linear probe"]


def test_with_labels_every_measure_is_taken():
    assert applicable(MEASURES, labeled=True) == MEASURES
    assert skipped(MEASURES, labeled=True) == []


def test_copies_stand_in_for_labels_unless_they_are_asked_for():
    plain, asked = ({"copies": CopyRetrieval(videos=2, with_labels=wanted), "rank_me": RankMe()} for wanted in (False, True))
    assert list(applicable(plain, labeled=True)) == ["rank_me"]
    assert list(applicable(asked, labeled=True)) == ["copies", "rank_me"]
    assert list(applicable(plain, labeled=False)) == list(applicable(asked, labeled=False)) == ["copies", "rank_me"]
    assert skipped(plain, labeled=True) == []
