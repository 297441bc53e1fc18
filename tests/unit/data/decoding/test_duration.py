"""How long a video lasts, against the frames and the rate with which it was written."""

from __future__ import annotations

import av
import numpy as np
import pytest
from tests.video_fixture import write_broken, write_video

from vclr_pl.data.decoding.duration import video_seconds


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mkv", ".webm"])
def test_what_was_written(tmp_path, suffix):
    path = write_video(tmp_path / f"a{suffix}", frames=30, rate=10)
    assert video_seconds(path) == pytest.approx(3.0, abs=0.06)


class Pipe:
    """Like a pipe it cannot be sought, so that the header stays without a duration."""

    def __init__(self, stream):
        self.write = stream.write


def test_a_live_stream_without_a_duration_in_its_header(tmp_path):
    live = tmp_path / "live.webm"
    with live.open("wb") as stream, av.open(Pipe(stream), "w", format="webm", options={"live": "1"}) as container:
        video = container.add_stream("libvpx-vp9", rate=10, options={"deadline": "realtime", "cpu-used": "8"})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        for level in range(30):
            container.mux(video.encode(av.VideoFrame.from_ndarray(np.full((48, 64, 3), 8 * level, np.uint8), format="rgb24")))
        container.mux(video.encode())
    with av.open(str(live)) as container:
        assert (container.streams.video[0].duration, container.duration) == (None, None)
    assert video_seconds(live) == pytest.approx(3.0, abs=0.11)


def test_what_is_no_video(tmp_path):
    assert video_seconds(write_broken(tmp_path / "a.mp4")) is None
    assert video_seconds(tmp_path / "absent.mp4") is None
    assert video_seconds(tmp_path) is None
