"""The list of videos is the same on all ranks. Ranks that see other files take other numbers of steps, and wait for each other for ever."""

from __future__ import annotations

import hashlib

from vclr_pl.datasets.manifest import Manifest
from vclr_pl.op.collective import gather_objects, world_size
from vclr_pl.types import InputError

BLOCK = 4096  # videos whose digest is compared
Entry = tuple[str, int, tuple[float, float]]


def refuse_other_lists(manifest: Manifest, *, name: str) -> None:
    """Compare digests over ranks; collective.

    Args:
        name: of the list, in the error.

    Raises:
        InputError: on all ranks, with the first video that differs.
    """
    if world_size() == 1:
        return
    blocks = [_digest(manifest, start) for start in range(0, len(manifest), BLOCK)]
    found = gather_objects((len(manifest), hashlib.sha256(b"".join(blocks)).digest()))
    other = next((rank for rank, of_rank in enumerate(found) if of_rank != found[0]), None)
    if other is None:
        return
    by_block = gather_objects(blocks)
    shared = min(len(by_block[0]), len(by_block[other]))
    differing = next((block for block in range(shared) if by_block[0][block] != by_block[other][block]), shared)
    parts = gather_objects([_entry(manifest, index) for index in range(len(manifest))[differing * BLOCK : (differing + 1) * BLOCK]])
    first, second = parts[0], parts[other]
    place = next((place for place, pair in enumerate(zip(first, second, strict=False)) if pair[0] != pair[1]), min(len(first), len(second)))
    raise InputError(
        expected=f"the same list of {name} on all ranks",
        got=f"{found[0][0]} on rank 0 and {found[other][0]} on rank {other}; video {differing * BLOCK + place} is "
        f"{_shown(first, place)} on rank 0 and {_shown(second, place)} on rank {other}",
        hint="Let data.root and the lists be the same files on all machines.",
    )


def _entry(manifest: Manifest, index: int) -> Entry:
    path = manifest.path(index).removeprefix(manifest.root)  # machines may have the same files in other places
    return path, manifest.label(index), manifest.span(index)


def _digest(manifest: Manifest, start: int) -> bytes:
    found = hashlib.sha256()
    for index in range(start, min(start + BLOCK, len(manifest))):
        found.update(repr(_entry(manifest, index)).encode(errors="surrogateescape"))
    return found.digest()


def _shown(entries: list[Entry], place: int) -> str:
    if place >= len(entries):
        return "absent"
    path, label, _ = entries[place]
    return f"'{path}' (class {label})"
