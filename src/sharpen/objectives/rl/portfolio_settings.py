"""Settings of the portfolio market and of training in it, for command lines."""

from __future__ import annotations

PORTFOLIO_SETTINGS: dict[str, tuple[type, str]] = {
    "initial_cash": (float, "cash at the start of an episode"),
    "max_trade": (float, "what an action of 1 trades: shares, or by value a share of the initial cash"),
    "trade_unit": (str, "shares, or value"),
    "dead_zone": (float, "an action nearer to 0 than this is no order"),
    "cost_bps": (float, "fee a side, in basis points"),
    "slippage_bps": (float, "how much worse than the price a fill is, in basis points"),
    "fill": (str, "next_open, next_close, or same_close_lookahead, which looks into the future"),
    "episode_bars": (int, "most steps of a training episode: 252; 0 for all up to the window's end"),
    "random_start": (bool, "whether training episodes begin at any bar: true; else at the first"),
    "random_reset": (bool, "whether training episodes begin with random cash and shares: true; else in cash"),
    "turbulence_limit": (float, "from this turbulence on everything is sold and nothing bought"),
    "delisting_return": (float, "what a holder earns after the last close of a delisted stock: 0"),
    "reward_per_unit": (float, "reward of one unit of money: 0.00001; ElegantRL's is 0.000244140625"),
    "bonus_gamma": (float, "the last reward gets mean(rewards) / (1 - this) more; 0 for none"),
    "break_step": (int, "environment steps of training on each fold: 200000"),
    "n_checks": (int, "how often the tail is looked at for the checkpoint: 5"),
    "tail_share": (float, "share of the training bars that chooses the checkpoint: 0.2"),
    "scaling": (str, "how the state is shown: relative, or elegantrl"),
    "technicals": (str, "names with commas, such as macd,rsi_30"),
    "columns": (str, "columns of the whole market: realized_volatility,turbulence, and those of market_file"),
}
"""Type and help; one that is left out has the market's or the training's own default."""


def entropy_coefficient(text: str) -> float | str:
    """Return stable-baselines3's ``ent_coef``: a number, or ``auto`` and what begins with it.

    >>> entropy_coefficient("auto_0.1"), entropy_coefficient("0.01")
    ('auto_0.1', 0.01)
    """
    return text if text.startswith("auto") else float(text)
