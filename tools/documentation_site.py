"""Add the generated pages to the documentation site; mkdocs runs these functions as hooks (`mkdocs.yml`).

- The start page, Contributing and Changelog are the Markdown files of the repository's top folder.
- The API reference has a page for the public API, one for each package, and one for the modules beside them.
- A notebook becomes a page with the outputs that it was committed with.
- A linked file that is no page, as `../src/vclr_pl/types.py`, becomes a page of its own.

Links are written for GitHub; `relink` turns them into links between pages. A page that loads anything from the network ends the build.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PACKAGE = ROOT / "src" / "vclr_pl"
TOP_PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
NOTEBOOK, PAGE_SUFFIXES = ".ipynb", {".md", ".ipynb"}
PICTURE_SUFFIXES = {".png", ".jpg", ".svg"}
LANGUAGES = {".py": "python", ".yaml": "yaml", ".yml": "yaml", ".toml": "toml", ".json": "json", ".cff": "yaml", ".sh": "bash"}

FENCE = re.compile(r"^(?P<fence>```+|~~~+).*?^(?P=fence)[ \t]*$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?P<before>\]\(|\b(?:src|href)=\")(?P<target>[^)\s\"]+)(?P<after>\)|\")")
HOST = r"\"?(?:https?:)?//"
STYLE_OR_ICON = r"<link\b(?=[^>]*\b(?:stylesheet|icon|preload)\b)"
LOADED = re.compile(rf"<(?:script|img|iframe|source|video)\b[^>]*\bsrc={HOST}|{STYLE_OR_ICON}[^>]*\bhref={HOST}")


# ---- which pages there are


def on_config(config: MkDocsConfig) -> None:
    """Put the pages of the API reference into the navigation."""
    for entry in config.nav or []:
        if isinstance(entry, dict) and entry.get("API") == "api":
            entry["API"] = ["api/index.md", *({title: f"api/{title}.md"} for title in packages(PACKAGE)), {"modules": "api/modules.md"}]


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Add the generated pages; the pages of linked files last, when all links are known."""
    from mkdocs.structure.files import File, InclusionLevel

    pages = {page: (ROOT / name).read_text(encoding="utf-8") for name, page in TOP_PAGES.items()}
    pages |= {f"api/{name}": text for name, text in api_pages(PACKAGE).items()}
    for notebook in sorted(DOCS.glob(f"*{NOTEBOOK}")):
        pages[f"{notebook.stem}.md"] = notebook_page(json.loads(notebook.read_text(encoding="utf-8")))
        files.remove(files.src_uris[notebook.name])
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    for path in linked_files(files):
        name = f"source/{path.relative_to(ROOT).as_posix()}.md"
        files.append(File.generated(config, name, content=source_page(path), inclusion=InclusionLevel.NOT_IN_NAV))


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Lead the links of the repository to pages of the site."""
    return markdown if page.file.src_uri.startswith(("api/", "source/")) else relink(markdown, page=page.file.src_uri)


def on_post_build(config: MkDocsConfig) -> None:
    """End the build where a page loads a script, style or picture from the network."""
    from mkdocs.exceptions import PluginError

    for page in sorted(Path(config.site_dir).rglob("*.html")):
        found = LOADED.search(page.read_text(encoding="utf-8"))
        if found:
            raise PluginError(f"{page.name} loads from the network: {found.group()}")


# ---- links


def source_of(page: str) -> Path:
    """The file of the repository from which a page is made: its links are relative to that file's folder."""
    tops = {made: name for name, made in TOP_PAGES.items()}
    notebook = (DOCS / page).with_suffix(NOTEBOOK)
    return ROOT / tops[page] if page in tops else notebook if notebook.is_file() else DOCS / page


def page_of(path: Path) -> str:
    """Where the site has a file or folder of the repository."""
    name = path.relative_to(ROOT).as_posix()
    if name in TOP_PAGES:
        return TOP_PAGES[name]
    if path.is_relative_to(DOCS) and path.suffix in PAGE_SUFFIXES | PICTURE_SUFFIXES:
        return path.relative_to(DOCS).with_suffix(".md" if path.suffix == NOTEBOOK else path.suffix).as_posix()
    if path.parent == PACKAGE and path.is_dir():
        return f"api/{path.name}.md"
    return f"source/{name}.md"


def targets(markdown: str, *, page: str) -> Iterator[Path]:
    """The existing files and folders of the repository that a page links to."""
    for match in LINK.finditer(FENCE.sub("", markdown)):
        path = _target(match["target"], page=page)
        if path is not None:
            yield path


def relink(markdown: str, *, page: str) -> str:
    """A page's text with each link to a file of the repository replaced by one to the page of that file."""

    def replace(match: re.Match[str]) -> str:
        path = _target(match["target"], page=page)
        if path is None:
            return match.group()
        _, hash_mark, anchor = match["target"].partition("#")
        return f"{match['before']}{posixpath.relpath(page_of(path), posixpath.dirname(page) or '.')}{hash_mark}{anchor}{match['after']}"

    parts, last = [], 0
    for fence in FENCE.finditer(markdown):
        parts += [LINK.sub(replace, markdown[last : fence.start()]), fence.group()]
        last = fence.end()
    return "".join([*parts, LINK.sub(replace, markdown[last:])])


def _target(link: str, *, page: str) -> Path | None:
    place = link.partition("#")[0]
    if not place or re.match(r"[a-z]+:|/", place):
        return None
    path = (source_of(page).parent / place).resolve()
    return path if path.exists() and path.is_relative_to(ROOT) else None


def linked_files(files: Files) -> list[Path]:
    """What pages link to that is no page yet, and what the listings of linked folders link to in turn."""
    waiting = [path for file in files.documentation_pages() for path in targets(file.content_string, page=file.src_uri)]
    found: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path not in found and page_of(path).startswith("source/"):
            found.add(path)
            waiting += listing(path) if path.is_dir() else []
    return sorted(found)


# ---- the API reference


def packages(package: Path) -> list[str]:
    """Names of the packages inside a package, in alphabetic order."""
    return sorted(path.parent.name for path in package.glob("*/__init__.py"))


def api_pages(package: Path) -> dict[str, str]:
    """Name and text of each page of the API reference: `index.md`, one for each package, `modules.md`."""
    root = package.name
    functions = [_documented(f"{root}.api")] if (package / "api.py").is_file() else []  # commands: modules of the same names hide them
    pages = {"index.md": "\n\n".join(["# Python API", *functions, _documented(root, show_root_heading=False)])}
    for name in packages(package):
        modules = [_module_name(path, package) for path in sorted((package / name).rglob("*.py")) if not path.name.startswith("_")]
        parts = [_documented(f"{root}.{name}", show_root_heading=False, members=False), *map(_documented, modules)]
        pages[f"{name}.md"] = "\n\n".join([f"# {root}.{name}", *parts])
    beside = [_module_name(path, package) for path in sorted(package.glob("*.py")) if not path.name.startswith("_") and path.stem != "api"]
    pages["modules.md"] = "\n\n".join([f"# Commands and other modules of {root}", *map(_documented, beside)])
    return pages


def _module_name(path: Path, package: Path) -> str:
    return ".".join(path.relative_to(package.parent).with_suffix("").parts)


def _documented(name: str, **options: bool) -> str:
    """The directive of mkdocstrings for a module, headed by its whole name."""
    lines = [f"      {key}: {str(value).lower()}" for key, value in {"show_root_full_path": True, **options}.items()]
    return "\n".join([f"::: {name}", "    options:", *lines])


# ---- files and notebooks as pages


def listing(folder: Path) -> list[Path]:
    """The files and folders of a folder, without what tools leave there."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith((".", "__pycache__")))


def source_page(path: Path) -> str:
    """A page with a file's text, or with the list of a folder's files; the search leaves it out."""
    head = f"---\nsearch:\n  exclude: true\n---\n\n# `{path.relative_to(ROOT).as_posix()}`\n\n"
    if path.is_dir():
        here = posixpath.dirname(page_of(path))
        return head + "\n".join(f"- [{one.name}]({posixpath.relpath(page_of(one), here)})" for one in listing(path)) + "\n"
    return head + _fenced(path.read_text(encoding="utf-8"), LANGUAGES.get(path.suffix, "text")) + "\n"


def notebook_page(notebook: dict[str, Any]) -> str:
    """A notebook's cells as Markdown, each code cell followed by its outputs."""
    return "\n\n".join(part for cell in notebook["cells"] for part in _cell(cell)) + "\n"


def _cell(cell: dict[str, Any]) -> Iterator[str]:
    if cell["cell_type"] == "markdown":
        yield "".join(cell["source"])
        return
    yield _fenced("".join(cell["source"]), "python")
    for output in cell["outputs"]:
        data = output.get("data", {"text/plain": output.get("text", "")})
        pictures = [kind for kind in ("image/jpeg", "image/png") if kind in data]
        if pictures:
            encoded = "".join(data[pictures[0]]).replace("\n", "")
            yield f"![Output of the code above](data:{pictures[0]};base64,{encoded})"
        else:
            yield _fenced("".join(data["text/plain"]), "text")


def _fenced(text: str, language: str) -> str:
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", text)), default=0))
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"
