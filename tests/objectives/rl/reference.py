"""One member's updates written down once more, in plain torch: what the agents must equal."""

import math

import torch
from torch.nn import functional

ROOT_2PI = 0.5 * math.log(2 * math.pi)


class Member:
    """The weights of one member of an agent, as leaves of their own, by learner.

    Args:
        agent: The agent.
        k: Which member.
        epsilon: Adam's.
    """

    def __init__(self, agent, k=0, epsilon=1e-8):
        self.course, self.k = agent.course, k
        self.weights, self.adam = {}, {}
        for name, learner in agent.learners().items():
            leaves = {key: view[k].detach().clone().requires_grad_() for key, view in views(learner)}
            self.weights[name] = leaves
            self.adam[name] = Adam(list(leaves.values()), float(self.of("learning_rate")), epsilon)
        self.random = torch.Generator()
        self.random.set_state(agent.course.streams.generators[k].get_state())

    def of(self, name):
        return self.course.of[name][self.k]

    def normal(self, *shape):
        return torch.randn(shape, generator=self.random)

    def move(self, name, loss):
        """Take a step of Adam down a loss."""
        leaves = list(self.weights[name].values())
        grads = torch.autograd.grad(loss, leaves)
        norm = math.sqrt(sum(float((grad**2).sum()) for grad in grads))
        share = 1.0 if name == "temperature" else min(1.0, float(self.of("clip_grad_norm")) / norm)
        self.adam[name].step([grad * share for grad in grads])

    def equals(self, agent, **tolerance):
        for name, learner in agent.learners().items():
            for key, view in views(learner):
                torch.testing.assert_close(
                    view[self.k].detach(), self.weights[name][key].detach(), **tolerance
                )


class Adam:
    """Kingma and Ba (2015), algorithm 1; torch's own takes seconds to be imported."""

    def __init__(self, leaves, rate, epsilon):
        self.leaves, self.rate, self.epsilon, self.t = leaves, rate, epsilon, 0
        self.m, self.v = ([torch.zeros_like(leaf) for leaf in leaves] for _ in range(2))

    def step(self, grads):
        self.t += 1
        for leaf, grad, m, v in zip(self.leaves, grads, self.m, self.v, strict=True):
            m.lerp_(grad, 0.1)
            v.lerp_(grad**2, 0.001)
            m_hat, v_hat = m / (1 - 0.9**self.t), v / (1 - 0.999**self.t)
            leaf.data -= self.rate * m_hat / (v_hat.sqrt() + self.epsilon)


def views(learner):
    return learner.parameters.views.items()


def net(weights, name, x, activation):
    n_layers = sum(key.startswith(f"{name}.") and key.endswith("weight") for key in weights)
    for i in range(n_layers):
        x = x @ weights[f"{name}.{i}.weight"] + weights[f"{name}.{i}.bias"]
        x = activation(x) if i < n_layers - 1 else x
    return x


def log_density(action, mean, log_std):
    return (-((action - mean) ** 2) / (2 * (2 * log_std).exp()) - log_std - ROOT_2PI).sum(-1)


def squashed(member, seen):
    """Return SAC's actions, drawn from the member's stream, and their log-densities."""
    out = net(member.weights["policy"], "actor", seen, functional.relu)
    mean, log_std = out.chunk(2, -1)
    log_std = log_std.clamp(-20, 2)
    raw = mean + log_std.exp() * member.normal(*mean.shape)
    inner = torch.log(1 - raw.double().tanh() ** 2).float()
    return raw.tanh(), (-((raw - mean) ** 2) / (2 * (2 * log_std).exp()) - log_std - ROOT_2PI - inner).sum(-1)


def acted(weights, seen, member=None, spread=0.0):
    """Return DDPG's actions, with TD3's cut noise from a member's stream where there is any."""
    action = net(weights, "actor", seen, functional.relu).tanh()
    if not spread:
        return action
    return (action + (spread * member.normal(*action.shape)).clamp(-0.5, 0.5)).clamp(-1, 1)


def advantages(reward, value, alive, gamma, lam):
    """Return GAE by its sum. reward, alive: (T, E); value: (T + 1, E)."""
    n_steps, found = len(reward), torch.zeros_like(reward)
    for t in range(n_steps):
        weight = torch.ones_like(reward[0])
        for i in range(t, n_steps):
            delta = reward[i] + gamma * alive[i] * value[i + 1] - value[i]
            found[t] += weight * delta
            weight = weight * gamma * lam * alive[i]
    return found


def traced(reward, value, alive, gamma, ratio):
    """Return V-trace's advantages and targets by their sums."""
    n_steps, rho = len(reward), ratio.clamp(max=1)
    target = value[:-1].clone()
    for t in range(n_steps):
        weight = torch.ones_like(reward[0])
        for i in range(t, n_steps):
            target[t] += weight * rho[i] * (reward[i] + gamma * alive[i] * value[i + 1] - value[i])
            weight = weight * gamma * alive[i] * rho[i]
    later = torch.cat([target[1:], value[-1:]])
    return rho * (reward + gamma * alive * later - value[:-1]), target
