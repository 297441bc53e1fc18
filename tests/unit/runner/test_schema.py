from __future__ import annotations

from typing import Literal

import pytest
from omegaconf import OmegaConf

from vclr_pl.runner.schema import refuse_unknown_keys
from vclr_pl.types import InputError

QUEUE = {"_target_": "vclr_pl.encoder.momentum_contrast.NegativeQueue", "_partial_": True, "length": 8}


CHOOSY = f"{__name__}.Choosy"


class Choosy:
    def __init__(self, *, over: Literal["segment", "batch"], other: Literal["a"] | None = None) -> None: ...


def refuse(content):
    refuse_unknown_keys(OmegaConf.create(content), config_name="train")


def test_known_keys_pass():
    refuse({"seed": 0, "queue": {"inter": QUEUE, "mine": QUEUE}, "name": "a", "loader": "${name}"})
    refuse({"logger": {"mine": {"_target_": CHOOSY, "over": "batch", "other": None}}})
    refuse({"logger": {"mine": {"_target_": CHOOSY, "over": "${name}"}}, "name": "unknown until it is resolved"})


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"sede": 0}, "got sede. Did you mean seed"),
        ({"queue": {"inter": QUEUE, "intr": {"length": 4}}}, "got queue.intr. Did you mean queue.inter"),
        ({"queue": {"inter": {**QUEUE, "lenght": 4}}}, "got queue.inter.lenght. Did you mean queue.inter.length"),
        ({"queue": {"inter": {**QUEUE, "length": "long"}}}, "expected queue.inter.length of type int; got 'long'"),
        ({"queue": {"inter": {**QUEUE, "length": None}}}, "expected queue.inter.length of type int; got None"),
        ({"queue": {"inter": {**QUEUE, "length": True}}}, "got True"),
        ({"queue": {"inter": {**QUEUE, "length": "???"}}}, "expected a value for queue.inter.length"),
        ({"trainer": {"_target_": "pytorch_lightning.Trainer", "max_epochs": "ten"}}, "trainer.max_epochs of type int or None"),
        ({"logger": {"csv": {"_target_": "vclr_pl.no_such.thing"}}}, "got vclr_pl.no_such.thing. It cannot be imported"),
        ({"form": {}}, "got form"),
        (
            {"logger": {"mine": {"_target_": CHOOSY, "over": "segmnt"}}},
            "over of type 'segment' or 'batch'; got 'segmnt'. Did you mean segment?",
        ),
        ({"logger": {"mine": {"_target_": CHOOSY, "over": 3}}}, "got 3. There are: batch, segment."),
    ],
)
def test_what_does_not_fit_is_refused(content, told):
    with pytest.raises(InputError) as refused:
        refuse(content)
    assert told in str(refused.value)


def test_a_group_is_told_by_its_own_name():
    """`module.queue` is the same node as `queue`; the user wrote the latter."""
    with pytest.raises(InputError, match=r"got queue\.inter\.lenght"):
        refuse({"module": {"queue": "${queue}"}, "queue": {"inter": {**QUEUE, "lenght": 4}}})
