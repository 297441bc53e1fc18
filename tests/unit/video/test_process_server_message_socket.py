import threading

import pytest

from vclr_pl.video.process_server import MessageSocket


def test_messages_arrive_whole_in_order_and_of_any_size():
    one, other = MessageSocket.pair()
    messages = [("open", 0, "ä" * 5, 0), list(range(100_000)), b"", ("close", 1, None, 0)]
    sender = threading.Thread(target=lambda: [one.send(message) for message in messages])
    sender.start()
    assert [other.receive(timeout_seconds=10) for _ in messages] == messages
    sender.join()
    one.close()
    other.close()


def test_silence_is_a_timeout_and_a_closed_end_a_connection_error():
    one, other = MessageSocket.pair()
    with pytest.raises(TimeoutError):
        one.receive(timeout_seconds=0.05)
    other.send("before the end")
    other.close()
    assert one.receive(timeout_seconds=None) == "before the end"
    with pytest.raises(ConnectionError):
        one.receive(timeout_seconds=None)
    with pytest.raises(ConnectionError):
        one.send("nobody hears")
    one.close()
