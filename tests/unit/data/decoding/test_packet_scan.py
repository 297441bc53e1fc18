import av
import pytest
from tests.unit.data.decoding.ffmpeg_frames import apart, run_ffmpeg, shown_by_ffmpeg
from tests.unit.data.decoding.numbered_video import write_numbered_video

from vclr_pl.data.decoding.packet_scan import scan_packets
from vclr_pl.data.decoding.pyav import PyavDecoder


def scan_of(path):
    with av.open(str(path)) as container:
        return scan_packets(container, container.streams.video[0])


@pytest.mark.parametrize(
    ("name", "codec", "certain", "by_bytes"),
    [("v.mp4", "libx264", True, False), ("v.ts", "libx264", False, True), ("v.mpg", "mpeg2video", False, False)],
)
def test_frames_by_their_times_and_where_decoding_can_start(tmp_path, name, codec, certain, by_bytes):
    path = write_numbered_video(tmp_path / name, frames=36, codec=codec, keyframe_every=12, b_frames=0)
    scan = scan_of(path)
    assert (scan.frame_count, len(scan.times), scan.certain, scan.by_bytes) == (36, 36, certain, by_bytes)
    assert scan.times == sorted(set(scan.times))
    assert [keyframe.frame for keyframe in scan.keyframes][:3] == [0, 12, 24]
    assert [scan.last_start(frame).frame for frame in (0, 11, 12, 25)] == [0, 0, 12, 24]
    if by_bytes:
        content = path.read_bytes()
        assert all(content[keyframe.byte] == 0x47 for keyframe in scan.keyframes)  # where a packet of a transport stream begins


def test_avi_with_b_frames_tells_no_times(tmp_path):
    scan = scan_of(write_numbered_video(tmp_path / "v.avi", frames=36, b_frames=2))
    assert (scan.frame_count, scan.times, scan.keyframes, scan.last_start(5)) == (36, [], [], None)


def test_a_clock_that_starts_anew_keeps_the_order_of_the_file(tmp_path, ffmpeg):
    """Two recordings one after another, the second one's clock behind the first one's."""
    for number, offset in enumerate((100, 0)):
        source = ["-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25:duration=1"]
        run_ffmpeg(ffmpeg, *source, "-output_ts_offset", str(offset), "-c:v", "mpeg2video", tmp_path / f"{number}.ts")
    whole = tmp_path / "whole.ts"
    whole.write_bytes((tmp_path / "0.ts").read_bytes() + (tmp_path / "1.ts").read_bytes())
    assert scan_of(whole).frame_count == 50
    shown = shown_by_ffmpeg(ffmpeg, whole, height=48, width=64)
    with PyavDecoder(threads=1, short_side_pixels=None).open(whole) as reader:
        for wanted in ([40, 3], [49, 24, 25]):
            assert apart(reader.frames(wanted), shown[wanted]) <= 1
