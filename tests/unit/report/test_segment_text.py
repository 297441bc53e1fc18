"""Times of segments in words, and addresses that a browser opens, whatever the name."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote_to_bytes, urljoin, urlsplit

import pytest

from vclr_pl.report.segment_text import segment_address, segment_in_words
from vclr_pl.types import VideoSegment

SEGMENT = VideoSegment(video=0, frames=(3475, 3575), seconds=(139.0, 143.04))


def test_times_in_words() -> None:
    assert segment_in_words(SEGMENT) == "2:19 to 2:23"
    assert segment_in_words(VideoSegment(0, (0, 100), (0.0, 4.0))) == "0.0 s to 4.0 s"
    assert (
        segment_in_words(VideoSegment(0, (100, 200), (4.0, 8.0), is_timed=False))
        == "frames 101 to 200 (4.0 s to 8.0 s at the given frame rate)"
    )


@pytest.mark.parametrize("name", ["a.mp4", "a b#c?d%20.mp4", "javascript:alert(1).mp4", "caf\udce9 \U0001f3ac.mp4", '"><b>.mp4'])
def test_an_address_leads_to_the_file(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "runs" / "one"
    address = segment_address(SEGMENT, path=str(tmp_path / "videos" / name), folder=folder)
    assert address.isascii()
    assert not set(address) & set('"<>: ')
    parts = urlsplit(urljoin((folder / "retrieval.html").as_uri(), address))
    assert unquote_to_bytes(parts.path) == bytes(tmp_path / "videos" / name)
    assert parts.fragment == "t=139.000,143.040"


def test_folders_of_pictures_and_unread_videos_have_no_address(tmp_path: Path) -> None:
    assert segment_address(VideoSegment(0, (0, 9), (0.0, 1.0), is_timed=False), path="/a", folder=tmp_path) == ""
    assert segment_address(VideoSegment(0, (0, 1), (0.0, 0.0)), path="/a.mp4", folder=tmp_path) == ""
