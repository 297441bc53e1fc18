"""Per-unit figures of videos on a server, for docs/scale.md: listing, manifest, cache, parts. One process; moto's S3 server.

    pip install 'vclr-pl[remote]' 'moto[s3]' flask flask-cors
    python benchmarks/remote_videos.py [KEYS] [FILES]

moto is written in Python: the seconds of a request are those of the server.
"""

from __future__ import annotations

import argparse
import logging
import os
import resource
import tempfile
import time
from pathlib import Path

import boto3
from moto.server import ThreadedMotoServer

from vclr_pl.datasets.folder import folder_manifest
from vclr_pl.remote.cache import FileCache
from vclr_pl.remote.folder import RemoteFolder, open_folder
from vclr_pl.remote.listing import Listing
from vclr_pl.remote.location import Location
from vclr_pl.remote.path import RemotePath
from vclr_pl.remote.server import MD5, Entry, Server
from vclr_pl.store import Part

FOLDER = 1000
FILE_BYTES = 100_000


def name_of(number: int) -> str:
    """Of Kinetics' length."""
    return f"train/class_{number // FOLDER:06}/video_{number:011}_000010_000020.mp4"


def report(what: str, value: float, unit: str) -> None:
    print(f"{what:60} {value:12.4g} {unit}", flush=True)


def peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def listing(client: object, cache: FileCache, keys: int) -> None:
    for number in range(keys):
        client.put_object(Bucket="keys", Key=name_of(number), Body=b"x")  # type: ignore[attr-defined]
    started = time.perf_counter()
    found = open_folder("s3://keys", cache=cache)
    seconds = time.perf_counter() - started
    requests = keys / 1000 + keys / FOLDER + 2
    report(f"listing {keys} keys, {requests:.0f} requests", seconds, "s")
    report("listing, per 1000 keys", 1000 * seconds / keys, "s")
    report("listing on disk", found.listing.size_bytes / keys, "bytes a file")


def manifest(cache: FileCache, keys: int) -> None:
    before, started = peak_megabytes(), time.perf_counter()
    entries = ((name_of(number), Entry(size=FILE_BYTES, kind=MD5, tag=number.to_bytes(16, "big"))) for number in range(keys))
    files = Listing.write(entries, cache.path / "made_up")
    report(f"sorting and writing {keys} names", 1e6 * (time.perf_counter() - started) / keys, "µs a file")
    report("main memory of it, at its peak", (peak_megabytes() - before) * 2**20 / keys, "bytes a file")
    top = RemotePath(RemoteFolder(Server(Location.of("s3://keys")), files, cache))
    started = time.perf_counter()
    found = folder_manifest(top, root=top, class_folders=True)
    report("manifest of them", 1e6 * (time.perf_counter() - started) / keys, "µs a video")
    report("manifest in memory", found.size_bytes / len(found), "bytes a video")
    started = time.perf_counter()
    for index in range(0, keys, 10):
        found.stamp(index)
    report("finding a file in the listing", 1e6 * (time.perf_counter() - started) / len(range(0, keys, 10)), "µs a file")
    part, started = Part.of("3/100"), time.perf_counter()
    assert part is not None
    own = sum(part.has(found.path(index)) for index in range(keys))
    report("choosing the videos of a part", 1e6 * (time.perf_counter() - started) / keys, "µs a video")
    report("videos in part 3/100, of their mean number", 100 * own / (keys / 100), "%")


def transfer(client: object, cache: FileCache, files: int) -> None:
    for number in range(files):
        client.put_object(Bucket="files", Key=f"{number}.mp4", Body=number.to_bytes(4, "big") * (FILE_BYTES // 4))  # type: ignore[attr-defined]
    found = open_folder("s3://files", cache=cache)
    for words in ("fetching a file of 100 kB, one at a time", "opening it in the cache"):
        started = time.perf_counter()
        for number in range(files):
            with found.held(f"s3://files/{number}.mp4"):
                pass
        report(words, 1000 * (time.perf_counter() - started) / files, "ms a file")
    kept = FileCache(folder=f"{cache.folder}/full", gigabytes=files * FILE_BYTES / 2 / 1e9)
    started = time.perf_counter()
    for number in range(2 * files):
        with kept.held(f"{number:032x}", suffix=".mp4", size=FILE_BYTES, fetch=lambda draft: draft.write_bytes(bytes(FILE_BYTES))):
            pass
    report("cache that is full: lock, count, remove, write, per file", 1000 * (time.perf_counter() - started) / (2 * files), "ms a file")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    listed = "listed on the server, in folders of 1000; ten times as many, which are made up, fill the manifest"
    parser.add_argument("keys", type=int, nargs="?", default=20000, help=listed)
    parser.add_argument("files", type=int, nargs="?", default=200, help="of 100 kB, fetched and read again")
    arguments = parser.parse_args()
    keys, files = arguments.keys, arguments.files
    os.environ.update(AWS_ACCESS_KEY_ID="benchmark", AWS_SECRET_ACCESS_KEY="benchmark", AWS_DEFAULT_REGION="us-east-1")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    os.environ["AWS_ENDPOINT_URL"] = "http://{}:{}".format(*server.get_host_and_port())
    client = boto3.client("s3")
    with tempfile.TemporaryDirectory() as folder:
        cache = FileCache(folder=str(Path(folder) / "cache"))
        manifest(cache, 10 * keys)
        for bucket in ("keys", "files"):
            client.create_bucket(Bucket=bucket)
        transfer(client, cache, files)
        listing(client, cache, keys)
    server.stop()


if __name__ == "__main__":
    main()
