"""Tables of files that several commands fill at the same time, each its `part`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, fields
from typing import Any, TypeVar

from vclr_pl.store import Part, ResumableFolder

logger = logging.getLogger(__name__)

Row = TypeVar("Row")


def rows_of_parts(
    store: ResumableFolder, *, part: Part, names: Sequence[str], row_type: type[Row], rows: Callable[[list[str]], Iterable[Row]]
) -> list[Row] | None:
    """One row for each of `names`, in their order, when all parts are finished; before that None.

    Args:
        store: keeps the rows, a journal for each part.
        rows: makes the rows of the files of this part that no earlier command has finished. The first field is the name.
    """
    if is_empty(part, names):
        return None
    known = store.finished()
    for row in rows([name for name in names if part.has(name) and name not in known]):
        line: dict[str, Any] = asdict(row)  # type: ignore[call-overload]
        store.append([{"video": next(iter(line.values())), **line}])
    lines = store.finished()
    left = sum(name not in lines for name in names)
    if left:
        logger.info(
            "part %d/%d is finished; %d of %d files are left to other parts: %s", part.number, part.count, left, len(names), store.path
        )
        return None
    columns = [field.name for field in fields(row_type)]  # type: ignore[arg-type]
    return [row_type(**{column: lines[name][column] for column in columns}) for name in names]


def is_empty(part: Part, names: Sequence[str]) -> bool:
    """True if the part has none of the files, so that the other parts write the table. Logs it."""
    if any(map(part.has, names)):
        return False
    logger.info("part %d/%d is finished: it has none of the %d files", part.number, part.count, len(names))
    return True
