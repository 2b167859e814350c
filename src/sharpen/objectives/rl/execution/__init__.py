"""Execution: to buy or sell one order over several slices of time, at the least cost.

``P`` counts members (agents trained side by side), ``E`` environments of a member, ``N`` slices of an order.

- :mod:`port`: what a market is; :mod:`linear`, :mod:`transient`, :mod:`propagator`: markets whose optimum is
  known; :mod:`bar_replay`: your own bars; :mod:`book_replay`: a recorded book, with :mod:`book_data`, its
  files, and :mod:`queue`, limit orders in it; :mod:`parts`: which rows are trained on, and which held out
- :mod:`schedules`: those optima in closed form
- :mod:`environment`: one order after another in a market, as the agents see it
- :mod:`policies`: the baselines; :mod:`evaluation`: what a policy costs beside them
- :mod:`gym_env`: the gymnasium face, for other people's agents
- :mod:`training`: what a configuration of PPO earns on episodes that it has not seen
"""
