"""A configuration whose values can be read by attribute, as W&B programs do."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, cast

from sharpen.hints import nearest

N_NAMED = 12


class Config(dict[str, Any]):
    """A dictionary of parameters; ``config.max_depth`` is ``config["max_depth"]``, nested groups included.

    Two sorts of names need the brackets: those of a dictionary's methods, such as ``config["values"]``, and
    those that are no identifiers, such as ``config["model.dropout"]``.

    >>> config = Config({"max_depth": 5, "optimizer": {"lr": 0.1}})
    >>> config.max_depth, config.optimizer.lr, config == {"max_depth": 5, "optimizer": {"lr": 0.1}}
    (5, 0.1, True)
    >>> config.depth
    Traceback (most recent call last):
    AttributeError: the configuration has no 'depth'; did you mean 'max_depth'? It has: max_depth, optimizer
    """

    __slots__ = ()

    def __init__(self, values: Mapping[str, Any] | None = None) -> None:
        super().__init__({name: _nested(value) for name, value in (values or {}).items()})

    def __getattr__(self, name: str) -> Any:
        if name not in self:
            meant = nearest(name, self)
            hint = f"{meant} It" if meant else "; it"
            more = ", …" if len(self) > N_NAMED else ""
            known = ", ".join(list(self)[:N_NAMED]) or "nothing"
            raise AttributeError(f"the configuration has no {name!r}{hint} has: {known}{more}")
        value = self[name]
        if type(value) is dict:  # put there by its key, after the configuration was made
            value = self[name] = _nested(value)
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        if hasattr(dict, name):
            raise AttributeError(f"{name} is a method of dictionaries: write config[{name!r}] = …")
        self[name] = _nested(value)

    def copy(self) -> Config:
        """Return another with the same values."""
        return Config(self)

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain dictionaries, for libraries that take no other, such as ``yaml.safe_dump``."""
        return _plain(self)


def merged(
    defaults: Mapping[str, Any], chosen: Mapping[str, Any], whole: Collection[str] = (), prefix: str = ""
) -> dict[str, Any]:
    """Return the chosen values laid over the defaults, nested groups included.

    Args:
        defaults: The program's own values.
        chosen: Those of the sweep.
        whole: Dotted names of parameters whose value is a mapping: a default is replaced, not filled up.
        prefix: What stands before the names of this group.

    >>> merged({"model": {"dim": 2, "lr": 0.1}, "n": 1}, {"model": {"dim": 8}})
    {'model': {'dim': 8, 'lr': 0.1}, 'n': 1}
    >>> merged({"model": {"dim": 2}}, {"model": {"lr": 1}}, whole=["model"])
    {'model': {'lr': 1}}
    """
    values = dict(defaults)
    for name, value in chosen.items():
        default = values.get(name)
        is_group = isinstance(value, Mapping) and isinstance(default, Mapping) and prefix + name not in whole
        values[name] = (
            merged(
                cast("Mapping[str, Any]", default),
                cast("Mapping[str, Any]", value),
                whole,
                f"{prefix}{name}.",
            )
            if is_group
            else value
        )
    return values


def _nested(value: Any) -> Any:
    return Config(cast("dict[str, Any]", value)) if type(value) is dict else value


def _plain(value: Any) -> Any:
    return {name: _plain(item) for name, item in value.items()} if isinstance(value, Config) else value
