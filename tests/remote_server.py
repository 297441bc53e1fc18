"""Servers of files for tests: S3 (moto) and plain HTTP, behind a proxy that disturbs requests."""

from __future__ import annotations

import contextlib
import http.client
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

USER, SECRET = "AKIAEXAMPLEEXAMPLE12", "averysecretsecretaverysecretsecret123456"
BUCKET = "videos"


@dataclass
class Fault:
    """What happens to the next `times` requests whose method and path `hits` accepts: `slow`, `cut`, or an HTTP status."""

    kind: str | int
    hits: Callable[[str, str], bool] = lambda method, path: method == "GET" and path.endswith(".mp4")
    times: int = 1


@dataclass
class Proxy:
    """Passes requests on to `upstream` (host and port), except where a fault says otherwise, and lists them."""

    upstream: tuple[str, int]
    faults: list[Fault] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    url: str = ""

    def fetched(self) -> list[str]:
        """Paths of the videos that were asked for."""
        return sorted(path for method, path in self.requests if method == "GET" and path.endswith(".mp4"))

    def fault(self, method: str, path: str) -> str | int | None:
        for fault in self.faults:
            if fault.times and fault.hits(method, path):
                fault.times -= 1
                return fault.kind
        return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: Proxy

    def handle_any(self) -> None:
        proxy = self.proxy
        proxy.requests.append((self.command, self.path))
        fault = proxy.fault(self.command, self.path)
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if isinstance(fault, int):
            body = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
            self._answer(fault, {"Content-Type": "application/xml"}, body)
            return
        connection = http.client.HTTPConnection(*proxy.upstream, timeout=30)
        with contextlib.closing(connection):
            connection.request(self.command, self.path, body=content, headers=dict(self.headers))
            answer = connection.getresponse()
            body = answer.read()
        headers = {
            name: value for name, value in answer.getheaders() if name.lower() not in ("transfer-encoding", "connection", "content-length")
        }
        if self.command == "HEAD":
            headers["Content-Length"] = answer.getheader("Content-Length") or "0"
        self._answer(answer.status, headers, body, fault=fault)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any  # noqa: N815 (the names of http.server)

    def _answer(self, status: int, headers: dict[str, str], body: bytes, fault: str | int | None = None) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if fault == "cut":
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
            return
        if fault == "slow":
            for start in range(0, len(body), max(1, len(body) // 4)):
                self.wfile.write(body[start : start + max(1, len(body) // 4)])
                time.sleep(0.05)
            return
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@contextlib.contextmanager
def serving(handler: Any) -> Iterator[tuple[str, int]]:
    """Host and port of a server that runs in a thread during the block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield str(server.server_address[0]), int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def proxy_to(upstream: tuple[str, int]) -> Iterator[Proxy]:
    proxy = Proxy(upstream)
    with serving(type("Handler", (_Handler,), {"proxy": proxy})) as (host, port):
        proxy.url = f"http://{host}:{port}"
        yield proxy


class _Files(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@contextlib.contextmanager
def http_server(folder: Path) -> Iterator[Proxy]:
    """The files of a folder with index pages, behind a proxy."""
    with serving(partial(_Files, directory=str(folder))) as address, proxy_to(address) as proxy:
        yield proxy


@dataclass
class S3:
    """moto's S3 server behind a proxy, through which `AWS_ENDPOINT_URL` leads."""

    address: tuple[str, int]
    client: Any
    proxy: Proxy

    def upload(self, folder: Path, prefix: str) -> str:
        """The URL of the copy of a folder."""
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.client.put_object(Bucket=BUCKET, Key=f"{prefix}/{path.relative_to(folder)}", Body=path.read_bytes())
        return f"s3://{BUCKET}/{prefix}"

    def require_signatures(self, number: str) -> None:
        """`0`: every later request needs a valid signature; `inf`: none does."""
        connection = http.client.HTTPConnection(*self.address, timeout=30)
        with contextlib.closing(connection):
            connection.request("POST", "/moto-api/reset-auth", body=number)
            connection.getresponse().read()
