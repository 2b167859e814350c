"""Cells of text -> plain numbers, where a column itself proves how its numbers are written.

A decimal comma, a separator of thousands, a sign of money, a letter for thousands or millions: each is taken
off only where every cell of the column has the form and some cell of it proves it. Else cells stay as they
are, and what is no number is told with its row.
"""

from __future__ import annotations

import polars as pl

_DECIMAL_COMMA = r"^[+-]?\d+,\d+$"
_COMMAS = r"^[+-]?\d{1,3}(,\d{3})+(\.\d+)?$"
_PROOF = r"^[+-]?\d{1,3}(,\d{3}){2,}$|^[+-]?\d{1,3}(,\d{3})+\.\d+$"
_POINTS = r"^[+-]?\d{1,3}(\.\d{3})+(,\d+)?$"
_PLAIN = r"^[+-]?\d+([.,]\d+)?$"
_MONEY = r"^[$€£¥]\s*"
_LETTER = r"^\d+(\.\d+)?[KMB]$"
_SIZES = {"K": 1e3, "M": 1e6, "B": 1e9}


def plain_numbers(frame: pl.DataFrame, separator: str) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Return the cells with plain numbers, and what was understood, in words.

    Args:
        frame: Text.
        separator: What stands between cells; a comma there is never a decimal one.

    >>> table = pl.DataFrame({"close": ["$1,234.50", "$999.00"], "vol": ["1.20M", "700K"]})
    >>> plain_numbers(table, ",")[0].rows()
    [('1234.50', '1200000'), ('999.00', '700000')]
    """
    form: list[str] = []
    cells = {name: frame[name].drop_nulls().str.strip_chars() for name in frame.columns}
    cells = {name: column.filter(column != "") for name, column in cells.items()}
    cells = {name: column for name, column in cells.items() if len(column)}
    changes: dict[str, pl.Expr] = {}
    for name, column in cells.items():
        if _all(column, _MONEY):
            changes[name] = pl.col(name).str.strip_chars().str.replace(_MONEY, "")
            cells[name] = column.str.replace(_MONEY, "")
            form = ["signs of money"]
    form += _thousands(cells, changes, separator)
    for name, column in cells.items():
        if _any(column, _LETTER) and _all(column, rf"{_LETTER}|{_PLAIN}"):
            changes[name] = _in_units(changes.get(name, pl.col(name)))
            form += [f"K, M and B in {name}"]
    return frame.with_columns(change.alias(name) for name, change in changes.items()), tuple(form)


def _thousands(cells: dict[str, pl.Series], changes: dict[str, pl.Expr], separator: str) -> list[str]:
    """Add the changes of decimal commas and separators of thousands; return what was understood."""
    form: list[str] = []
    decimal = [name for name, column in cells.items() if separator != "," and _has_decimal_commas(column)]
    for name in decimal:
        changes[name] = changes.get(name, pl.col(name)).str.replace(",", ".", literal=True)
        form = ["decimal commas"]
    if decimal:
        of_points = [n for n, column in cells.items() if n not in decimal and _grouped(column, _POINTS)]
        for name in of_points:
            points_off = changes.get(name, pl.col(name)).str.replace_all(".", "", literal=True)
            changes[name] = points_off.str.replace(",", ".", literal=True)
        return [*form, *(["points between thousands"] if of_points else [])]
    of_commas = [name for name, column in cells.items() if _any(column, _PROOF) and _grouped(column, _COMMAS)]
    for name in of_commas:
        changes[name] = changes.get(name, pl.col(name)).str.replace_all(",", "", literal=True)
    return ["commas between thousands"] if of_commas else []


def _grouped(column: pl.Series, form: str) -> bool:
    """Return whether a column has groups of thousands, and nothing but these and numbers below 1000."""
    return _any(column, form) and _all(column, rf"{form}|^[+-]?\d{{1,3}}([.,]\d+)?$")


def _has_decimal_commas(column: pl.Series) -> bool:
    return _any(column, _DECIMAL_COMMA) and not bool(column.str.contains(".", literal=True).any())


def _in_units(cells: pl.Expr) -> pl.Expr:
    """Return numbers with a letter for their size as whole numbers, and others as they are."""
    cells = cells.str.strip_chars()
    size = cells.str.slice(-1).replace_strict(_SIZES, default=None, return_dtype=pl.Float64)
    number = cells.str.head(-1).cast(pl.Float64, strict=False) * size
    return pl.coalesce(number.round(0).cast(pl.Int64, strict=False).cast(pl.String), cells)


def _any(column: pl.Series, pattern: str) -> bool:
    return bool(column.str.contains(pattern).any())


def _all(column: pl.Series, pattern: str) -> bool:
    return bool(column.str.contains(pattern).all())
