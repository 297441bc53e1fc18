import pickle
import time

import pytest

from vclr_pl.video import protocol
from vclr_pl.video.protocol import VideoReadError, existing_file, require_indices, scaled_size


def test_the_error_names_file_backend_and_cause_and_survives_a_worker():
    error = pickle.loads(pickle.dumps(VideoReadError("a video.mp4", "pyav", "no video stream")))
    assert (error.path, error.backend, error.reason) == ("a video.mp4", "pyav", "no video stream")
    assert str(error) == "a video.mp4: pyav cannot read it: no video stream"


@pytest.mark.parametrize(("name", "reason"), [("absent.mp4", "no such file"), (".", "not a file"), ("empty.mp4", "empty")])
def test_what_is_no_file_with_something_in_it_is_refused_by_name(tmp_path, name, reason):
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(VideoReadError, match=reason) as refused:
        existing_file(tmp_path / name, backend="pyav")
    assert refused.value.path == str(tmp_path / name)


def test_ffmpeg_gets_absolute_paths_so_that_no_name_is_a_protocol_or_an_option(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "-loud:now.mp4").write_text("x")
    assert existing_file("-loud:now.mp4", backend="pyav") == str(tmp_path / "-loud:now.mp4")


def test_indices_outside_the_video_are_an_index_error():
    assert require_indices([3, 0, 3], frame_count=4, path="v") == [3, 0, 3]
    for indices in ([], [4], [-1]):
        with pytest.raises(IndexError, match="requested"):
            require_indices(indices, frame_count=4, path="v")


@pytest.mark.parametrize(
    ("size", "short_side_pixels", "expected"),
    [((240, 320), None, (240, 320)), ((240, 320), 120, (120, 160)), ((1920, 1080), 256, (455, 256))],
)
def test_scaled_size_keeps_the_aspect(size, short_side_pixels, expected):
    assert scaled_size(height=size[0], width=size[1], short_side_pixels=short_side_pixels) == expected


@pytest.fixture(autouse=True)
def nobody_listens_afterwards():
    yield
    protocol._listener = None


def test_whoever_listens_hears_a_few_signs_a_second():
    heard = []
    protocol.listen(lambda: heard.append(time.monotonic()))
    end = time.monotonic() + 0.7
    while time.monotonic() < end:
        protocol.still_working()
    assert 2 <= len(heard) <= 4


def test_nobody_listens_by_default():
    protocol.still_working()
