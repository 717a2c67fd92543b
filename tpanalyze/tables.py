"""DataFrames as the bytes of files."""

from __future__ import annotations

import io
from importlib import import_module
from importlib.util import find_spec

import pandas as pd

from tpanalyze.errors import UserError


def as_csv(table: pd.DataFrame) -> bytes:
    """Return the table as CSV in UTF-8, a line of names first; what is not known is empty.

    A name that a spreadsheet would take for a formula gets an apostrophe in front, as its users
    would write it.  Source: OWASP, CSV Injection.
    """
    safe = table.copy()
    for name in safe.columns:
        if isinstance(safe[name].dtype, pd.CategoricalDtype):
            known = safe[name].cat.categories
            safe[name] = safe[name].cat.rename_categories([_harmless(str(one)) for one in known])
    return safe.to_csv(index=False, lineterminator="\n").encode("utf-8", "replace")


def _harmless(name: str) -> str:
    return f"'{name}" if name[:1] in tuple("=+-@\t\r") else name


def as_parquet(table: pd.DataFrame) -> bytes:
    """Return the table as Parquet.  Raises `UserError` where there is no pyarrow to write it."""
    if find_spec("pyarrow") is None:
        raise UserError(
            "Parquet needs pyarrow, which is not installed here; "
            "try pip install pyarrow, or --csv, which needs nothing"
        )
    pyarrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    columns = pyarrow.Table.from_pandas(table, preserve_index=False)
    file = io.BytesIO()
    parquet.write_table(columns.replace_schema_metadata({"made_by": "tpanalyze"}), file)
    return file.getvalue()
