"""The package's files as syntax trees, and which package each is of."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "vclr_pl"
RULES: dict[str, Any] = tomllib.loads((Path(__file__).parent / "rules.toml").read_text())
ENTRY_POINTS = frozenset(RULES["entry_points"]["names"])


@dataclass(frozen=True)
class SourceFile:
    """One file of the package. `module` is its path in it, without suffix, as `data/split/ucf101`."""

    path: Path
    module: str
    text: str
    tree: ast.Module

    @property
    def package(self) -> str:
        return self.module.split("/")[0]

    @property
    def is_entry_point(self) -> bool:
        return self.module in ENTRY_POINTS

    def __str__(self) -> str:
        return f"src/vclr_pl/{self.module}.py"


@cache
def source_files() -> tuple[SourceFile, ...]:
    return tuple(_parsed(path) for path in sorted(PACKAGE.rglob("*.py")))


def _parsed(path: Path) -> SourceFile:
    text = path.read_text()
    return SourceFile(path=path, module=path.relative_to(PACKAGE).with_suffix("").as_posix(), text=text, tree=ast.parse(text))


def imported_modules(source: SourceFile) -> Iterator[tuple[int, str]]:
    """`(line, dotted name)` of every import, those inside functions and under TYPE_CHECKING included; relative ones made absolute.

    `from package import name` yields `package.name`, since the name may be a module.
    """
    package = ["vclr_pl", *source.module.split("/")[:-1]]
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            origin = [] if node.level == 0 else package[: len(package) - node.level + 1]
            for alias in node.names:
                yield node.lineno, ".".join([*origin, *([node.module] if node.module else []), alias.name])


def functions(source: SourceFile) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """`(qualified name, definition)` of every function, methods and nested ones included."""

    def inside(node: ast.AST, prefix: str) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                name = f"{prefix}{child.name}"
                if not isinstance(child, ast.ClassDef):
                    yield name, child
                yield from inside(child, f"{name}.")
            else:
                yield from inside(child, prefix)

    return inside(source.tree, "")


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.arg]:
    """All parameters but `self` and `cls`."""
    spelled = function.args
    every = [*spelled.posonlyargs, *spelled.args, *([spelled.vararg] if spelled.vararg else []), *spelled.kwonlyargs]
    every += [spelled.kwarg] if spelled.kwarg else []
    return [parameter for parameter in every if parameter.arg not in {"self", "cls"}]


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef, text: str) -> int:
    """Lines of the body that hold code: no docstring, no comment, no blank line, no signature."""
    body = function.body[1:] if ast.get_docstring(function, clean=False) is not None else function.body
    if not body:
        return 0
    lines = text.splitlines()[body[0].lineno - 1 : body[-1].end_lineno]
    return sum(1 for line in lines if line.strip() and not line.strip().startswith("#"))
