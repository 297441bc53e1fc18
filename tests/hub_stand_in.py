"""A stand-in of the Hugging Face hub: the HTTP endpoints with which huggingface_hub makes a repository, commits, lists and downloads."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "hf_stand_in"
GATED, PRIVATE = "owner/gated", "owner/private"


class StandIn(BaseHTTPRequestHandler):
    """`server.repositories` has the files of each repository, `server.asked` the requests."""

    protocol_version = "HTTP/1.1"
    server: Any

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, content: bytes | dict[str, Any] | list[Any], *, status: int = 200, **headers: str) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _refused(self, code: str, status: int) -> None:
        self._answer({"error": code}, status=status, X_Error_Code=code, X_Error_Message=code)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = urlsplit(self.path).path.strip("/").split("/")
        self.server.asked.append(f"POST {self.path}")
        if parts == ["api", "validate-yaml"]:
            return self._answer({"errors": [], "warnings": []})
        if parts[4:5] == ["paths-info"]:
            return self._answer([one for path in parse_qs(body.decode())["paths"] for one in self._infos("/".join(parts[2:4]), path)])
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._refused("Unauthorized", 401)
        if parts == ["api", "repos", "create"]:
            asked = json.loads(body)
            name = f"{asked.get('organization') or 'owner'}/{asked['name']}"
            self.server.repositories.setdefault(name, {})
            return self._answer({"url": f"{self.server.address}/{name}", "name": name, "id": name})
        name = "/".join(parts[2:4])
        if parts[4] == "preupload":
            files = [{"path": one["path"], "uploadMode": "regular", "shouldIgnore": False} for one in json.loads(body)["files"]]
            return self._answer({"files": files})
        lines = [json.loads(line) for line in body.decode().splitlines()]
        for line in lines:
            if line["key"] == "file":
                self.server.repositories[name][line["value"]["path"]] = base64.b64decode(line["value"]["content"])
        oid = self._commit(name)
        return self._answer(
            {"success": True, "commitOid": oid, "commitUrl": f"{self.server.address}/{name}/commit/{oid}", "hookOutput": ""}
        )

    def _commit(self, name: str) -> str:
        files = self.server.repositories[name]
        return hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()

    def _infos(self, name: str, path: str) -> list[dict[str, Any]]:
        """A file, or a folder, as the hub describes it; nothing for another path."""
        files = self.server.repositories[name]
        if path in files:
            content = files[path]
            return [{"type": "file", "path": path, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}]
        return [{"type": "directory", "path": path, "oid": "0"}] if any(file.startswith(f"{path}/") for file in files) else []

    def do_GET(self) -> None:
        parts = unquote(urlsplit(self.path).path).strip("/").split("/")
        self.server.asked.append(f"{self.command} {self.path}")
        if parts[0] == "datasets":
            parts = parts[1:]
        in_api = parts[0] == "api"
        name = "/".join(parts[2:4]) if in_api else "/".join(parts[:2])
        if name == GATED and not (in_api and "revision" in parts):
            return self._refused("GatedRepo", 403)
        if name not in self.server.repositories:
            return self._refused("RepoNotFound", 401)
        files, oid = self.server.repositories[name], self._commit(name)
        if in_api and "tree" in parts:
            folder = "/".join(parts[6:])
            inside = sorted(path for path in files if not folder or path.startswith(f"{folder}/"))
            if "recursive=true" not in self.path.lower():  # the folder's own files and folders
                depth = len(parts[6:]) + 1
                inside = list(dict.fromkeys("/".join(path.split("/")[:depth]) for path in inside))
            return self._answer([one for path in inside for one in self._infos(name, path)])
        if in_api:
            return self._answer({"_id": "1", "id": name, "modelId": name, "sha": oid, "siblings": [{"rfilename": path} for path in files]})
        path = "/".join(parts[4:])
        if path not in files:
            return self._refused("EntryNotFound", 404)
        return self._answer(files[path], ETag=f'"{hashlib.sha1(files[path]).hexdigest()}"', X_Repo_Commit=oid, Accept_Ranges="bytes")

    def do_HEAD(self) -> None:
        self.do_GET()


@contextmanager
def stand_in(repositories: dict[str, dict[str, bytes]] | None = None) -> Iterator[Any]:
    """A running stand-in: `address`, `repositories`, `asked`."""
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), StandIn)
    server.repositories, server.asked = repositories if repositories is not None else {}, []
    server.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
