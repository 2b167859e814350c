"""What an account begins with. It stays: a report compares all of its sessions with one backtest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path

from sharpen.errors import UsageError
from sharpen.paper.account_files import paths_of
from sharpen.paper.ledger import Ledger, LedgerUnreadable, read_only
from sharpen.paper.risk import RiskLimits
from sharpen.paper.simulated import Frictions


@dataclass(frozen=True, slots=True)
class AccountSettings:
    """How a simulated account behaves.

    Attributes:
        account: Its name.
        data: The bars that it trades, by name.
        cash: What it begins with, in dollars.
        frictions: What happens to orders.
        limits: What no order may exceed.
        seed: What chance draws from.
    """

    account: str = "default"
    data: str = ""
    cash: Decimal = Decimal(100_000)
    frictions: Frictions = field(default_factory=Frictions)
    limits: RiskLimits = field(default_factory=RiskLimits)
    seed: int = 0

    @property
    def beginning(self) -> dict[str, str]:
        """What it begins with, by the option that says it."""
        facts = {"data": self.data, "cash": str(self.cash), "seed": str(self.seed)}
        return facts | {"slippage_bps": repr(self.frictions.slippage_bps)}


BEGINNING: Mapping[str, str] = {k: v for k, v in AccountSettings().beginning.items() if k != "data"}
"""What a new account begins with where nothing is said."""


def began_with(folder: Path, account: str) -> dict[str, str]:
    """Return what an account began with, by the option that says it; nothing for one that has not begun.

    Args:
        folder: The store's folder.
        account: Its name.

    Raises:
        UsageError: The account's name is no name of a file.
    """
    path = paths_of(folder, account)[0]
    if not path.is_file():
        return {}
    ledger = read_only(path)
    try:
        values = {name: _kept(ledger, name) for name in ("data", *BEGINNING)}
    except LedgerUnreadable:  # a crash before its first entry; else whoever opens it to trade says so
        return {}
    finally:
        ledger.close()
    return {name: value for name, value in values.items() if value is not None}


def keep_beginning(ledger: Ledger, account: str, beginning: Mapping[str, str]) -> None:
    """Keep what an account begins with.

    Raises:
        UsageError: It began with something else.
    """
    for name, value in beginning.items():
        kept = _kept(ledger, name)
        if kept is not None and not _is_same(kept, value):
            option = "--" + name.replace("_", "-")
            raise UsageError(
                f"account {account} began with {option} {kept}, not {value}: leave {option} out, or begin"
                " another one with --account"
            )
        if ledger.fact(name) is None:
            ledger.keep_fact(name, value if kept is None else kept)


def _kept(ledger: Ledger, name: str) -> str | None:
    # accounts of older versions have what they began with as their deposit alone
    return ledger.fact(name) or (ledger.fact("deposit") if name == "cash" else None)


def _is_same(kept: str, value: str) -> bool:
    """Return whether two texts say the same.

    >>> _is_same("100000", "100000.00"), _is_same("stocks", "stocks"), _is_same("1", "2")
    (True, True, False)
    """
    try:
        return Decimal(kept) == Decimal(value)
    except InvalidOperation:
        return kept == value
