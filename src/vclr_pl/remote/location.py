"""URLs of folders on servers, and their form without secrets."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit
from urllib.request import url2pathname

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_LOCAL = ("file", "local")


def is_url(root: str | os.PathLike[str]) -> bool:
    """True for the URL of a server. A `file://` URL is a local path."""
    found = _SCHEME.match(os.fspath(root))
    return found is not None and found[0][:-3].lower() not in _LOCAL


def local_path(root: str | os.PathLike[str]) -> str:
    """The path of a local folder, also of a `file://` URL."""
    text = os.fspath(root)
    return url2pathname(urlsplit(text).path) if _SCHEME.match(text) else text


@dataclass(frozen=True)
class Location:
    """The URL of a folder. `public`, which appears in results and messages, has no user, password and query; `full` has them."""

    public: str
    full: str = field(repr=False)
    query: str = field(repr=False, default="")

    @classmethod
    def of(cls, url: str) -> Location:
        scheme = url.partition("://")[0].lower()
        if scheme not in ("http", "https"):
            public = re.sub(r"(?<=://)[^/@]*@", "", url) if scheme in ("ftp", "sftp", "ssh", "smb", "webdav", "webhdfs") else url
            return cls(public=public.rstrip("/"), full=url.rstrip("/"))
        parts = urlsplit(url)
        path = parts.path.rstrip("/")
        public = urlunsplit((scheme, parts.netloc.rpartition("@")[2], path, "", ""))
        return cls(public=public, full=urlunsplit((scheme, parts.netloc, path, "", "")), query=parts.query)

    @property
    def protocol(self) -> str:
        return self.public.partition("://")[0].lower()

    @property
    def is_http(self) -> bool:
        return self.protocol in ("http", "https")
