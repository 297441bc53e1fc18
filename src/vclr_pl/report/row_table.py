"""A CSV file of what was found file by file: written row by row, so that an interrupted run leaves what it knows, and sorted at the end."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import astuple, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

Row = TypeVar("Row")  # a dataclass; its fields are the columns


class RowTable(Generic[Row]):
    """Rows of one dataclass. Use it as a context manager.

    Args:
        path: of the file, replaced where it exists; folders are made.
        row_type: the dataclass.
    """

    def __init__(self, *, path: Path, row_type: type[Row]) -> None:
        self.path, self.rows = path, list[Row]()
        self._header = [field.name for field in fields(row_type)]  # type: ignore[arg-type]

    def __enter__(self) -> Self:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._open(self.path)
        self._writer = csv.writer(self._file)
        self._writer.writerow(self._header)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    def add(self, row: Row) -> None:
        self.rows.append(row)
        self._writer.writerow(astuple(row))  # type: ignore[call-overload]
        self._file.flush()

    def sort(self, *, order: Sequence[str]) -> None:
        """Puts the rows, whose first column is a key, into `order`, in one step."""
        place_of = {key: place for place, key in enumerate(order)}
        self.rows.sort(key=lambda row: place_of[astuple(row)[0]])  # type: ignore[call-overload]
        draft = self.path.with_name(f"{self.path.name}.unfinished")
        with self._open(draft) as file:
            writer = csv.writer(file)
            writer.writerow(self._header)
            writer.writerows(astuple(row) for row in self.rows)  # type: ignore[call-overload]
        draft.replace(self.path)

    @staticmethod
    def _open(path: Path) -> Any:
        # Any byte of a file's name survives.
        return path.open("w", newline="", encoding="utf-8", errors="surrogateescape")
