"""Reinforcement learning in thirty lines: policies learn side by side what to hold from the last returns.

Source: Moody and Saffell (2001), Learning to Trade via Direct Reinforcement, IEEE Transactions on Neural
Networks 12(4), without the recurrent input and without costs in the reward.
"""

import numpy as np

from sharpen.population_program import PopulationRule, run_population_program

N_LAGS = 10  # bars that the policy sees


def seen(panel):
    """Return the last returns at each bar, in units of 2 %; 0 for what is not known: (T, S, N_LAGS)."""
    steps = np.diff(np.log(panel.close), axis=0, prepend=np.nan)
    lags = [
        np.concatenate([np.full((k, steps.shape[1]), np.nan), steps[: len(steps) - k]]) for k in range(N_LAGS)
    ]
    return np.nan_to_num(np.stack(lags, axis=-1)) / 0.02


def fit(panel, configs, rngs):
    """Climb the mean return by its gradient; a row of weights a configuration: (P, N_LAGS)."""
    x, gains = seen(panel)[:-2], np.nan_to_num(np.diff(np.log(panel.open), axis=0))[1:, :, None]
    rates = np.array([config["learning_rate"] for config in configs])
    decay = np.array([config["weight_decay"] for config in configs])[:, None]
    weights = np.stack([rng.normal(0.0, 0.1, N_LAGS) for rng in rngs])
    for _ in range(100):
        position = np.tanh(x @ weights.T)  # (T, S, P)
        slope = np.einsum("tsp,tsk->pk", gains * (1.0 - position**2), x) / x[..., 0].size
        weights += rates[:, None] * (slope - decay * weights)
    return weights


def decide(panel, config, weights):
    """Return the position wanted at each close: (T, S)."""
    return np.tanh(seen(panel) @ weights)


if __name__ == "__main__":
    settings = {"learning_rate": 10.0, "weight_decay": 1e-4}
    raise SystemExit(run_population_program(PopulationRule(decide, fit, settings, N_LAGS), doc=__doc__))
