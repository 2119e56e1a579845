"""Two real tables: an insurer's customers (CoIL 2000) and a bank's applicants (German credit), split by rows.

Both files lie beside this module. `book/data.md` says what each column is, where they come from, and their licence.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

__all__ = ["FILES", "Rows", "Split", "Table", "TableError", "load_coil", "load_german_credit", "read_columns", "split"]

FOLDER = Path(__file__).parent / "data"
#: File -> SHA-256 of its text, so that any way to compress it will do.
FILES = {
    "coil2000.csv.gz": "d07505a90cd5ec1c210af9a98695e8d2ba081d166281b3c5b13b8d17463e62c8",
    "german_credit.csv.gz": "9d2c5b2e5027e4bd3925a7c921b22f167f347c99ecbd4e47b2817d304a259b69",
}


class TableError(Exception):
    """A file of a table is missing, or is not the one that the book was computed with."""


class Table(NamedTuple):
    """A table to learn from.

    Attributes:
        x: float64, shape (n, d): numbers as they are, and a column of 0 and 1 for each code of a category but one.
        y: int64, shape (n,): 1 for a buyer, or for an applicant who did not pay.
        columns: the d names; a code's is "purpose=A41".
        amount: float64, shape (n,): the credit in DM; 1 for a customer of the insurer.
    """

    x: np.ndarray
    y: np.ndarray
    columns: tuple[str, ...]
    amount: np.ndarray


class Rows(NamedTuple):
    """Some rows of a table.

    Attributes:
        x: float32, shape (m, d), each column with the training rows' mean 0 and standard deviation 1.
        y: int64, shape (m,).
        amount: float64, shape (m,).
        number: int64, shape (m,): which rows of the table these are, from 0.
    """

    x: np.ndarray
    y: np.ndarray
    amount: np.ndarray
    number: np.ndarray


class Split(NamedTuple):
    """A table's rows, each in one part.

    Attributes:
        train: to fit.
        validation: to choose: an epoch, a threshold, a calibration.
        test: to judge, once.
    """

    train: Rows
    validation: Rows
    test: Rows


def load_coil() -> Table:
    """The insurer's customers: 5,822 rows, 85 numbers each, and 348 buyers of a caravan policy.

    Raises:
        TableError: its file is missing, or holds something else.

    Source: P. van der Putten and M. van Someren (eds.), "CoIL Challenge 2000: The Insurance Company Case", 2000.
    """
    columns = read_columns("coil2000.csv.gz")
    y = columns.pop("CARAVAN").astype(np.int64)
    x = np.stack([values.astype(float) for values in columns.values()], axis=1)
    return Table(x, y, tuple(columns), np.ones(len(y)))


def load_german_credit() -> Table:
    """The bank's applicants: 1,000 rows, 7 numbers and 13 categories each, of whom 300 did not pay.

    Raises:
        TableError: its file is missing, or holds something else.

    Source: H. Hofmann, "Statlog (German Credit Data)", UCI Machine Learning Repository, 1994.
    """
    columns = read_columns("german_credit.csv.gz")
    y = columns.pop("bad").astype(np.int64)
    numbers = {}
    for name, values in columns.items():
        if values[0].startswith("A"):
            # Without the first code: together all of them would always add up to 1.
            numbers |= {f"{name}={code}": (values == code).astype(float) for code in np.unique(values)[1:]}
        else:
            numbers[name] = values.astype(float)
    return Table(np.stack(list(numbers.values()), axis=1), y, tuple(numbers), numbers["amount"])


def read_columns(file: str, folder: Path | str = FOLDER) -> dict[str, np.ndarray]:
    """The columns of a file as it is, after its checksum was compared.

    Args:
        file: one of `FILES`.
        folder: where it lies.

    Returns:
        name -> texts, shape (n,).

    Raises:
        TableError: there is no such file, it cannot be unpacked, or its text is not the book's.
    """
    if file not in FILES:
        raise TableError(f"there is no table {file!r}: choose one of {', '.join(FILES)}.")
    path = Path(folder) / file
    try:
        text = gzip.decompress(path.read_bytes())
    except FileNotFoundError:
        raise TableError(f"{path} is missing: restore it from the repository, or install the package again.") from None
    except (OSError, EOFError, zlib.error) as error:
        raise TableError(f"{path} cannot be unpacked ({error}): restore it from the repository.") from error
    found = hashlib.sha256(text).hexdigest()
    if found != FILES[file]:
        raise TableError(f"{path} has the SHA-256 {found}, expected {FILES[file]}: restore it from the repository.")
    header, *rows = csv.reader(text.decode().splitlines())
    return dict(zip(header, np.array(rows).T, strict=True))


def split(table: Table, seed: int, validation: float = 0.2, test: float = 0.2) -> Split:
    """Deal the rows into three parts with the same share of ones, and standardise them by the training rows.

    Args:
        table: what to split.
        seed: which split.
        validation: its share of all rows.
        test: likewise.

    Raises:
        ValueError: a share that is not above 0, or no rows left to train on.
    """
    from sklearn.model_selection import train_test_split

    if not (validation > 0 and test > 0 and validation + test < 1):
        raise ValueError(
            f"validation is {validation!r} and test {test!r}, expected shares above 0 that leave rows to train on"
        )
    rest, of_test = train_test_split(np.arange(len(table.y)), test_size=test, stratify=table.y, random_state=seed)
    of_train, of_validation = train_test_split(
        rest, test_size=validation / (1 - test), stratify=table.y[rest], random_state=seed
    )
    mean, spread = table.x[of_train].mean(axis=0), table.x[of_train].std(axis=0)
    # A column that is the same in all training rows says nothing there: leave it at 0, not at 0 / 0.
    x = ((table.x - mean) / np.where(spread > 0, spread, np.inf)).astype(np.float32)
    return Split(
        *(Rows(x[rows], table.y[rows], table.amount[rows], rows) for rows in (of_train, of_validation, of_test))
    )
