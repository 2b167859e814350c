"""Where bars come from: data sets that arrive with Python packages, and the user's own files.

>>> from sharpen.data import load
>>> stocks = load("stocks")
>>> stocks.panel.symbols, len(stocks.panel)
(('AAPL', 'IBM', 'MSFT'), 3270)
"""

from sharpen.data.dataset import CatalogEntry, CheckReport, Dataset, SymbolReport
from sharpen.data.loading import catalog, check, load
from sharpen.read_options import DataSource, ReadOptions

__all__ = [
    "CatalogEntry",
    "CheckReport",
    "DataSource",
    "Dataset",
    "ReadOptions",
    "SymbolReport",
    "catalog",
    "check",
    "load",
]
