import time

import pytest

from vclr_pl.data.decoding import sign_of_life
from vclr_pl.data.decoding.message_socket import MessageSocket


@pytest.fixture(autouse=True)
def nobody_listens_afterwards():
    yield
    sign_of_life._listener = None


def test_whoever_listens_hears_a_few_signs_a_second():
    heard = []
    sign_of_life.listen(lambda: heard.append(time.monotonic()))
    end = time.monotonic() + 0.7
    while time.monotonic() < end:
        sign_of_life.still_working()
    assert 2 <= len(heard) <= 4


def test_nobody_listens_by_default():
    sign_of_life.still_working()


def test_a_sign_is_no_message_and_begins_the_time_anew():
    ours, theirs = MessageSocket.pair()
    theirs.send_sign()
    with pytest.raises(TimeoutError):
        ours.receive(timeout_seconds=0.05)
    theirs.send_sign()
    theirs.send({"an": "answer"})
    assert ours.receive(timeout_seconds=1) == {"an": "answer"}
    ours.close()
    theirs.close()
