"""Paper trading: the same decisions as in the backtest, sent to a paper account that survives every crash.

``orders`` has the values, ``ports`` what a trader needs from outside. ``plan`` and ``risk`` are pure: from
decisions to orders, and what no order may exceed. ``ledger`` is the trader's memory, ``kill_switch`` the
person's last word. ``order_tracker`` keeps ledger and broker one, ``trader`` is the loop. ``simulated`` is
a broker on this machine and ``recorded`` plays recorded bars to it; ``session`` puts an account together.
``model`` makes a strategy of a stored model, ``signal_comparison`` compares what was decided with the
backtest, and ``report`` shows what came of it.

No real money is traded: there is no implementation of a live account.
"""
