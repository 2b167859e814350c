"""Which markets of the store are one under several names: each pair is compared once in its life."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from sharpen.errors import DataError
from sharpen.regular_file import read_text
from sharpen.store.rows import ArtifactRow
from sharpen.views.markets import is_same_market, moves
from sharpen.views.returns import Series, read_file

CACHE = "cache/markets.json"


class MarketCache:
    """What was found of pairs of markets, kept in the store's folder, which may be read-only.

    A market goes by the hash of its times and of what buy-and-hold made, which
    :attr:`~sharpen.views.trials.ReturnsFigures.market` has.

    Args:
        home: The store's folder.
    """

    def __init__(self, home: Path) -> None:
        self._path = home / CACHE
        self._known = _read(self._path)
        self._series: dict[str, Series | None] = {}
        self._is_changed = False

    def is_same(self, one: str, one_file: ArtifactRow, other: str, other_file: ArtifactRow) -> bool:
        """Return whether two markets are one; a file is read only when nobody has compared them before."""
        if one == other:
            return True
        pair = " ".join(sorted((one, other)))
        same = self._known.get(pair)
        if same is None:
            first, second = self._of(one, one_file), self._of(other, other_file)
            if first is None or second is None:
                return False
            same = self._known[pair] = is_same_market(first, second)
            self._is_changed = True
        return same

    def moves(self, market: str, file: ArtifactRow) -> bool:
        """Return whether buy-and-hold moves at all on a market."""
        is_moving = self._known.get(market)
        if is_moving is None:
            series = self._of(market, file)
            if series is None:
                return False
            is_moving = self._known[market] = moves(series)
            self._is_changed = True
        return is_moving

    def save(self) -> None:
        """Keep what is new; a folder that cannot be written keeps nothing."""
        if not self._is_changed:
            return
        with suppress(OSError):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft = self._path.with_name(f"{self._path.name}.{os.getpid()}")
            draft.write_text(json.dumps(self._known))
            draft.replace(self._path)
            self._is_changed = False

    def _of(self, market: str, file: ArtifactRow) -> Series | None:
        if market not in self._series:
            try:
                self._series[market] = read_file(file.path)
            except DataError:
                self._series[market] = None
        return self._series[market]


def _read(path: Path) -> dict[str, bool]:
    try:
        content: Any = json.loads(read_text(path))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(content, dict):
        return {}
    pairs = cast("dict[str, Any]", content).items()
    return {name: value for name, value in pairs if isinstance(value, bool)}
