"""From a sweep's history to what people read: figures with their verdict, tables, one HTML file.

:func:`analyse` reads a store once and returns an :class:`Analysis`; everything else is made from that.
"""

from sharpen.report.analysis import analyse
from sharpen.report.html import write_html
from sharpen.report.lockbox import REPEATED, lockbox_figures, lockbox_savings, other_bars
from sharpen.report.model import Analysis
from sharpen.report.tables import configuration, front, leaderboard, verdict
from sharpen.report.verdict_figures import verdict_figures

__all__ = [
    "REPEATED",
    "Analysis",
    "analyse",
    "configuration",
    "front",
    "leaderboard",
    "lockbox_figures",
    "lockbox_savings",
    "other_bars",
    "verdict",
    "verdict_figures",
    "write_html",
]
