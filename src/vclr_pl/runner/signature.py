"""The parameters of a `_target_`, read from its source where possible: importing it would import torch, which takes seconds."""

from __future__ import annotations

import ast
import functools
import inspect
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from hydra.utils import get_object

ADD_NO_PARAMETERS = ("object", "Protocol", "Generic", "ABC")  # base classes
Definition = ast.ClassDef | ast.FunctionDef


@dataclass(frozen=True)
class Signature:
    """Annotations of the parameters by name, as source text; "" where there is none. `takes_any`: there are `**keywords`."""

    annotations: Mapping[str, str]
    takes_any: bool


def signature_of(target: str) -> Signature:
    """From the object where its module is imported already, else from the source, else from the object after all.

    Raises:
        ImportError, AttributeError, ...: whatever importing the target raises.
    """
    if target.rpartition(".")[0] in sys.modules:
        return imported_signature(target)
    return source_signature(target) or imported_signature(target)


def imported_signature(target: str) -> Signature:
    """The signature of the object, which is imported."""
    parameters = inspect.signature(get_object(target)).parameters.values()
    return Signature(
        annotations={
            one.name: "" if one.annotation is one.empty else inspect.formatannotation(one.annotation)
            for one in parameters
            if one.name != "self" and one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)
        },
        takes_any=any(one.kind is one.VAR_KEYWORD for one in parameters),
    )


@functools.cache
def source_signature(target: str) -> Signature | None:
    """The signature as the source states it, or None where only the object can say: decorators, metaclasses, C code, aliases."""
    found = _definition(target)
    if found is None:
        return None
    module, node = found
    return _of_class(module, node) if isinstance(node, ast.ClassDef) else None if node.decorator_list else _of_function(node)


def allowed_by(annotation: str) -> tuple[list[str], list[Any]]:
    """The names of the types that an annotation allows, and the values: those of a Literal, and None."""
    types: list[str] = []
    values: list[Any] = []
    for part in _alternatives(ast.parse(annotation or "Any", mode="eval").body):
        if isinstance(part, ast.Constant):
            values.append(part.value)
        else:
            types.append(ast.unparse(part))
    return types, values


def _alternatives(node: ast.expr) -> Iterator[ast.expr]:
    """The members of `X | Y`, `Union[X, Y]`, `Optional[X]` and `Literal[...]`; a quoted annotation is unquoted."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        yield from (*_alternatives(node.left), *_alternatives(node.right))
    elif isinstance(node, ast.Subscript) and (name := ast.unparse(node.value).rpartition(".")[2]) in ("Optional", "Union", "Literal"):
        members = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        yield from members if name == "Literal" else (part for member in members for part in _alternatives(member))
        yield from [ast.Constant(None)] if name == "Optional" else []
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield from _alternatives(ast.parse(node.value, mode="eval").body)
    else:
        yield node


@functools.cache
def _module(name: str) -> ast.Module | None:
    """The syntax tree of a module, found without importing its packages."""
    folders = None
    spec = None
    for length in range(1, name.count(".") + 2):
        try:
            spec = PathFinder.find_spec(".".join(name.split(".")[:length]), folders)
        except KeyError:  # a folder without __init__.py in another one: Python looks for the outer one among the imported modules
            return None
        if spec is None:
            return None
        folders = spec.submodule_search_locations
    is_source = spec is not None and spec.origin is not None and spec.origin.endswith(".py")
    return ast.parse(Path(str(spec.origin)).read_text(encoding="utf-8")) if spec is not None and is_source else None


def _definition(target: str) -> tuple[str, Definition] | None:
    """The module and the statement that define a dotted name; `from module import name` is followed."""
    module, _, name = target.rpartition(".")
    tree = _module(module) if module else None
    for node in reversed(tree.body) if tree is not None else ():
        if isinstance(node, Definition) and node.name == name:
            return module, node
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return _definition(f"{node.module}.{alias.name}")
    return None


def _of_class(module: str, node: ast.ClassDef) -> Signature | None:
    methods = {child.name: child for child in node.body if isinstance(child, ast.FunctionDef)}
    if node.keywords or "__new__" in methods:
        return None
    decorators = {ast.unparse(one.func if isinstance(one, ast.Call) else one).rpartition(".")[2] for one in node.decorator_list}
    if decorators == {"dataclass"}:
        return _of_dataclass(module, node)
    if decorators:
        return None
    if "__init__" in methods:
        return _of_function(methods["__init__"])
    bases = [base for base in node.bases if ast.unparse(base).partition("[")[0].rpartition(".")[2] not in ADD_NO_PARAMETERS]
    if len(bases) > 1:
        return None
    return source_signature(_dotted_name(module, bases[0])) if bases else Signature(annotations={}, takes_any=False)


def _of_dataclass(module: str, node: ast.ClassDef) -> Signature | None:
    inherited: dict[str, str] = {}
    for base in reversed(node.bases):
        found = source_signature(_dotted_name(module, base))
        if found is None:
            return None
        inherited |= found.annotations
    fields = {
        child.target.id: ast.unparse(child.annotation)
        for child in node.body
        if isinstance(child, ast.AnnAssign) and isinstance(child.target, ast.Name) and _is_argument(child)
    }
    return Signature(annotations={**inherited, **fields}, takes_any=False)


def _is_argument(field: ast.AnnAssign) -> bool:
    return "ClassVar" not in ast.unparse(field.annotation) and (field.value is None or "init=False" not in ast.unparse(field.value))


def _of_function(node: ast.FunctionDef) -> Signature:
    arguments = [one for one in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs) if one.arg != "self"]
    annotations = {one.arg: "" if one.annotation is None else ast.unparse(one.annotation) for one in arguments}
    return Signature(annotations=annotations, takes_any=node.args.kwarg is not None)


def _dotted_name(module: str, node: ast.expr) -> str:
    """The full name of a base class, as far as the module's imports tell."""
    first, dot, rest = ast.unparse(node).partition(".")
    tree = _module(module)
    for child in tree.body if tree is not None else ():
        for alias in child.names if isinstance(child, ast.Import | ast.ImportFrom) else ():
            if (alias.asname or alias.name) == first:
                return f"{f'{child.module}.' if isinstance(child, ast.ImportFrom) else ''}{alias.name}{dot}{rest}"
    return f"{module}.{first}{dot}{rest}"
