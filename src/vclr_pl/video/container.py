"""Read format, duration, keyframes and orientation from a file's container, without decoding.

Legend: H W pixels, C channels.
"""

from __future__ import annotations

import bisect
import math
import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import BinaryIO, NamedTuple

import av
import numpy as np
from numpy.typing import NDArray

from vclr_pl.video.protocol import VideoReadError, existing_file, still_working

_MP4_FIRST_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"styp")
_MATROSKA_TRACKS = b"\x16\x54\xae\x6b"
_MATROSKA_POSE = re.compile(rb"\x76[\x73\x75][\x84\x88]")  # yaw or roll: a float of 4 or 8 bytes
_MATROSKA_HEAD_BYTES = 1 << 14
_MOST_INDEX_BYTES = 1 << 26  # a few megabytes suffice for hours of video


def container_of(file: str) -> str | None:
    """`mp4`, `matroska` or `avi` by the file's first bytes; None for every other container. Raises OSError."""
    with Path(file).open("rb") as stream:
        head = stream.read(12)
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return "matroska"
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "avi"
    return "mp4" if head[4:8] in _MP4_FIRST_BOXES else None


def mp4_index(file: str) -> bytes:
    """The box `moov` of an MP4, read in some microseconds; empty for other containers and unreadable files."""
    try:
        with Path(file).open("rb") as stream:
            return _index_of(stream)
    except OSError:
        return b""


def mp4_reorders_frames(index: bytes) -> bool:
    """True if an MP4 with this index stores frames in an order other than the presentation order, as B-frames require.

    Such a file has a table of composition offsets, `ctts` (ISO/IEC 14496-12, 8.6.1.3).
    """
    return b"ctts" in index


def mp4_is_turned(index: bytes) -> bool:
    """True if a track or the whole movie is rotated or mirrored (by its matrix; ISO/IEC 14496-12, 8.2.2 and 8.3.2)."""
    return any(_turns(matrix) for matrix in _matrices(index))


def matroska_is_turned(file: str) -> bool:
    """True if a track of a Matroska file has a projection, as rotated and mirrored ones have (RFC 9559, 5.1.4.1.28.41)."""
    try:
        with Path(file).open("rb") as stream:
            head = stream.read(_MATROSKA_HEAD_BYTES)
    except OSError:
        return False
    tracks = head.find(_MATROSKA_TRACKS)
    return tracks >= 0 and _MATROSKA_POSE.search(head, tracks) is not None


def _matrices(index: bytes) -> Iterator[tuple[int, ...]]:
    """`a, b, u, c, d` of each matrix in the movie's header and the tracks' headers."""
    for name, offset in ((b"mvhd", 36), (b"tkhd", 40)):
        start = index.find(name)
        while start >= 0:
            version = index[start + 4 : start + 5]
            matrix = start + 4 + offset + (12 if version == b"\1" else 0)
            if len(index) >= matrix + 20:
                yield struct.unpack(">5i", index[matrix : matrix + 20])
            start = index.find(name, start + 4)


def _turns(matrix: tuple[int, ...]) -> bool:
    a, b, _, c, d = matrix
    return bool(b or c or a < 0 or d < 0)


def _index_of(stream: BinaryIO) -> bytes:
    """The box `moov`, empty if there is none. Boxes follow each other; each starts with its size and name."""
    offset, end = 0, os.fstat(stream.fileno()).st_size
    while offset + 8 <= end:
        stream.seek(offset)
        header = stream.read(16)
        size = int.from_bytes(header[:4], "big")
        if size == 1:
            size = int.from_bytes(header[8:16], "big")
        if header[4:8] == b"moov":
            stream.seek(offset)
            return stream.read(min(size or end, _MOST_INDEX_BYTES))
        if size < 8 or (offset == 0 and header[4:8] not in _MP4_FIRST_BOXES):
            break
        offset += size
    return b""


def video_seconds(path: str | PathLike[str]) -> float | None:
    """Duration from the file's header, else from the times of its packets; None if the file cannot be read. Nothing is decoded."""
    try:
        with av.open(existing_file(path, backend="pyav")) as container:
            stream = container.streams.best("video")
            if stream is None:
                return None
            if stream.duration:
                return float(stream.duration * stream.time_base)
            if container.duration and container.duration > 0:
                return float(container.duration / av.time_base)
            spans = [(packet.pts, packet.duration or 0) for packet in container.demux(stream) if packet.pts is not None and packet.size]
            if not spans:
                return None
            ticks = max(start + length for start, length in spans) - min(start for start, _ in spans)
            return float(ticks * stream.time_base) or None
    except (av.FFmpegError, OSError, ValueError, VideoReadError):
        return None


_TOLERANCE_DEGREES = 1.0  # FFmpeg's time base


@dataclass(frozen=True)
class Orientation:
    """One of the eight orientations of a rectangle: first transposed, then flipped."""

    transposed: bool = False
    upside_down: bool = False
    mirrored: bool = False

    def apply(self, pixels_HWC: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A view of the pixels."""
        shown = pixels_HWC.transpose(1, 0, 2) if self.transposed else pixels_HWC
        return shown[:: -1 if self.upside_down else 1, :: -1 if self.mirrored else 1]


UPRIGHT = Orientation()


def orientation_of(frame: av.VideoFrame) -> Orientation:
    """Orientation from the frame's display matrix: `(x, y)` of the stored picture is displayed at `(a x + c y, b x + d y)`.

    Equal to the filters transpose, hflip and vflip of the ffmpeg program. Only multiples of 90 degrees are applied.
    """
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return UPRIGHT
    a, b, _, c, d = np.frombuffer(bytes(data), dtype=np.int32)[:5].tolist()
    if not math.hypot(a, c) or not math.hypot(b, d):
        return UPRIGHT
    angle = math.degrees(math.atan2(b / math.hypot(b, d), a / math.hypot(a, c)))
    if abs(angle - 90 * round(angle / 90)) > _TOLERANCE_DEGREES:
        return UPRIGHT
    if abs(b) > abs(a):
        return Orientation(transposed=True, upside_down=b < 0, mirrored=c < 0)
    return Orientation(upside_down=d < 0, mirrored=a < 0)


_FARTHEST_REORDERING = 64  # largest distance between stored order and presentation order; codecs need 16 at most
_BY_BYTES = ("mpegts",)  # formats without an index: the packets' byte offsets are used


class Keyframe(NamedTuple):
    """A frame at which decoding can start."""

    frame: int  # index in presentation order
    decoding_time: int  # most containers index it
    byte: int  # byte offset of its packet in the file; -1 if the container does not give it


@dataclass(frozen=True)
class PacketScan:
    """`times` are sorted presentation times, empty if they do not identify a frame: frames are then counted from the start.

    by_bytes: seek to keyframes by their byte offset.
    certain: the container's own times identify every frame; otherwise the frame after seeking must be compared with `times`.
    """

    frame_count: int
    times: list[int]
    keyframes: list[Keyframe]
    by_bytes: bool
    certain: bool

    def without_times(self) -> PacketScan:
        return PacketScan(self.frame_count, [], [], by_bytes=False, certain=True)

    def last_start(self, index: int) -> Keyframe | None:
        """The last keyframe at or before a frame."""
        position = bisect.bisect_right(self.keyframes, (index, np.inf)) - 1
        return self.keyframes[position] if position >= 0 else None


class _Packet(NamedTuple):
    time: int | None
    decoding_time: int | None
    is_keyframe: bool
    byte: int


def scan_packets(container: av.container.InputContainer, stream: av.VideoStream) -> PacketScan:
    """Read all packets; afterwards the container is at its end."""
    packets = []
    for packet in container.demux(stream):
        still_working()
        if packet.size and not packet.is_discard:  # an edit list hides frames by marking their packets
            packets.append(_Packet(packet.pts, packet.dts, packet.is_keyframe, -1 if packet.pos is None else packet.pos))
    format_name = container.format.name
    certain = "mp4" in format_name or "matroska" in format_name or format_name == "avi"
    if not certain:
        packets = _from_first_keyframe(packets)
    counted = PacketScan(len(packets), [], [], by_bytes=False, certain=True)
    times = [packet.time for packet in packets if packet.time is not None]
    if len(set(times)) < len(packets):
        return counted
    in_order = all(packet.time == packet.decoding_time for packet in packets)
    if format_name == "avi" and not in_order:
        return counted  # AVI stores no presentation times
    if not certain and _farthest_reordering(times) > _FARTHEST_REORDERING:
        return counted  # timestamps restart within the stream
    by_bytes, ascending = format_name in _BY_BYTES, sorted(times)
    starts = [packet for packet in packets if packet.is_keyframe and packet.time is not None and (packet.byte >= 0 or not by_bytes)]
    keyframes = sorted(_keyframe(packet, ascending) for packet in starts)
    return PacketScan(len(packets), ascending, keyframes, by_bytes=by_bytes, certain=certain)


def _from_first_keyframe(packets: list[_Packet]) -> list[_Packet]:
    """Drop the packets before the first keyframe, which do not decode: a stream can be cut anywhere."""
    first = next((index for index, packet in enumerate(packets) if packet.is_keyframe), 0)
    start = packets[first].time if packets else None
    return [packet for packet in packets[first:] if start is None or packet.time is None or packet.time >= start]


def _keyframe(packet: _Packet, times: list[int]) -> Keyframe:
    assert packet.time is not None
    decoding_time = packet.time if packet.decoding_time is None else packet.decoding_time
    return Keyframe(bisect.bisect_left(times, packet.time), decoding_time, packet.byte)


def _farthest_reordering(times: list[int]) -> int:
    if not times:
        return 0
    place_shown = np.argsort(np.argsort(np.array(times), kind="stable"), kind="stable")
    return int(np.abs(place_shown - np.arange(len(times))).max())


def frame_seconds(path: str | PathLike[str]) -> NDArray[np.float64] | None:
    """Presentation times of N frames in seconds from the first frame, then the end of the last one, `[N + 1]`; None if unreadable.

    Packets are read, nothing is decoded. Frames without times of their own follow at the stream's frame rate.
    """
    try:
        with av.open(existing_file(path, backend="pyav"), metadata_errors="replace") as container:
            stream = container.streams.best("video")
            if stream is None:
                return None
            frame = 1.0 / float(stream.average_rate or stream.guessed_rate or 25)
            scan = scan_packets(container, stream)
            if not scan.frame_count:
                return None
            times = np.array(scan.times, np.float64) * float(stream.time_base or 0) if scan.times else np.arange(scan.frame_count) * frame
            seconds: NDArray[np.float64] = np.append(times, times[-1] + frame) - times[0]
            return seconds
    except (av.FFmpegError, OSError, ValueError, VideoReadError):
        return None
