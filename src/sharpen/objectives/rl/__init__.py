"""Portfolio agents by reinforcement learning: a market in tensors, and agents that trade it.

This is the only package that imports torch. ``P`` counts members (agents trained side by side), ``E``
environments of a member, ``T`` steps, ``S`` stocks, ``B`` rows of a minibatch.

- :mod:`technicals`, :mod:`turbulence`, :mod:`market_data`: what is known at each close
- :mod:`market`, :mod:`pendulum`: environments over tensors; :mod:`gym_env` is the gymnasium face
- :mod:`networks`, :mod:`adam`, :mod:`streams`: stacked weights, their optimizer, their random streams
- :mod:`advantages`, :mod:`ppo`, :mod:`replay`, :mod:`sac`, :mod:`ddpg`: the algorithms
- :mod:`population`: members that train side by side, one stack or a loop of them
- :mod:`portfolio`: what a configuration earns on a walk-forward fold
"""
