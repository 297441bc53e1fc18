"""What a file's packets say before anything is decoded: how many frames, when each is shown, and where decoding can start."""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from typing import NamedTuple

import av
import numpy as np

from vclr_pl.data.decoding.sign_of_life import still_working

_FARTHEST_REORDERING = 64  # places between the order stored and the order shown; codecs need 16 at most
_BY_BYTES = ("mpegts",)  # without an index: the packets' places in the file serve as one


class Keyframe(NamedTuple):
    """Where decoding can start."""

    frame: int  # its place in the order shown
    decoding_time: int  # which is what most containers index
    byte: int  # where its packet begins in the file; -1 where the container does not tell


@dataclass(frozen=True)
class PacketScan:
    """`times` are sorted presentation times, empty where they do not identify a frame: frames are then counted from the start.

    by_bytes: keyframes are sought by their place in the file.
    certain: the container's own times identify every frame; otherwise what is found after seeking is to be compared with `times`.
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
        place = bisect.bisect_right(self.keyframes, (index, np.inf)) - 1
        return self.keyframes[place] if place >= 0 else None


class _Packet(NamedTuple):
    time: int | None
    decoding_time: int | None
    is_keyframe: bool
    byte: int


def scan_packets(container: av.container.InputContainer, stream: av.VideoStream) -> PacketScan:
    """Reads all packets; the container stands at its end afterwards."""
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
        return counted  # the clock starts anew in mid-stream
    by_bytes, ascending = format_name in _BY_BYTES, sorted(times)
    starts = [packet for packet in packets if packet.is_keyframe and packet.time is not None and (packet.byte >= 0 or not by_bytes)]
    keyframes = sorted(_keyframe(packet, ascending) for packet in starts)
    return PacketScan(len(packets), ascending, keyframes, by_bytes=by_bytes, certain=certain)


def _from_first_keyframe(packets: list[_Packet]) -> list[_Packet]:
    """Without what was recorded before it, which does not decode: streams are cut anywhere."""
    first = next((place for place, packet in enumerate(packets) if packet.is_keyframe), 0)
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
