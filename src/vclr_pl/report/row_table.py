"""A CSV file of what was found file by file: written row by row, so that an interrupted run leaves what it knows, and sorted at the end."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import astuple, fields
from pathlib import Path
from types import TracebackType
from typing import Generic, Self, TypeVar

from vclr_pl.whole_file import ANY_BYTE, errors_name, write_csv

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
        with errors_name(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("wb", buffering=0)
        self._append(self._header)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    def add(self, row: Row) -> None:
        self.rows.append(row)
        self._append(astuple(row))  # type: ignore[call-overload]

    def sort(self, *, order: Sequence[str]) -> None:
        """Puts the rows, whose first column is a key, into `order`, in one step."""
        place_of = {key: place for place, key in enumerate(order)}
        self.rows.sort(key=lambda row: place_of[astuple(row)[0]])  # type: ignore[call-overload]
        write_csv(self.path, self._header, (astuple(row) for row in self.rows))  # type: ignore[call-overload]

    def _append(self, row: Sequence[object]) -> None:
        """A whole row, or, on a full disk, none of it."""
        text, end = io.StringIO(newline=""), self._file.tell()
        csv.writer(text).writerow(row)
        content = text.getvalue().encode(**ANY_BYTE)
        with errors_name(self.path):
            try:
                while content:
                    content = content[self._file.write(content) :]
            except OSError:
                self._file.truncate(end)
                raise
