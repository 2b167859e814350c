"""Limits catch every odd figure before the network sees it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from sharpen.paper.orders import OrderRequest
from sharpen.paper.risk import RiskLimits, broken_limits, daily_loss


@pytest.mark.parametrize("quantity", ["NaN", "sNaN", "Infinity", "-1", "0", "1E9", "0.30000000000000004"])
def test_odd_quantities_are_refused(quantity: str) -> None:
    order = OrderRequest("n", "AAA", "buy", Decimal(quantity), Decimal(100))
    assert broken_limits(order, Decimal(0), None, RiskLimits())


def test_a_fraction_of_a_share_leaves_only_with_the_whole_position() -> None:
    order = OrderRequest("n", "AAA", "sell", Decimal("3.125"), Decimal(100))
    assert broken_limits(order, Decimal("3.125"), None, RiskLimits()) == ()
    assert broken_limits(order, Decimal("4.125"), None, RiskLimits())


@pytest.mark.parametrize("price", ["NaN", "Infinity", "-1", "0"])
def test_odd_prices_are_refused(price: str) -> None:
    order = OrderRequest("n", "AAA", "sell", Decimal(1), Decimal(price))
    assert broken_limits(order, Decimal(0), None, RiskLimits())


def test_an_ordinary_order_passes_and_a_jump_does_not() -> None:
    order = OrderRequest("n", "AAA", "buy", Decimal(10), Decimal(100))
    assert broken_limits(order, Decimal(0), Decimal(99), RiskLimits()) == ()
    assert broken_limits(order, Decimal(0), Decimal(10), RiskLimits())
    assert broken_limits(order, Decimal(1995), Decimal(99), RiskLimits())


@pytest.mark.parametrize(
    ("worth", "start"), [("NaN", "100"), ("100", "NaN"), ("100", "0"), ("Infinity", "1")]
)
def test_a_loss_that_cannot_be_known_is_within_no_limit(worth: str, start: str) -> None:
    assert not daily_loss(Decimal(worth), Decimal(start)) <= 0.05
