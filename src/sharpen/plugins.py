"""Families of things by name: a table of sharpen's own, then the entry points of other packages.

The members of a family are dataclasses whose fields are what a file may set, beside one that is the sweep's.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from sharpen.errors import MissingExtra, UsageError
from sharpen.hints import join, nearest

_WORDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text",
    type(None): "nothing",
}


@dataclass(frozen=True)
class PluginFamily:
    """Kinds that serve one port.

    Attributes:
        noun: What one of them is called.
        group: The group of entry points that other packages add theirs to.
        table: Where each of sharpen's own is, as an entry point says it; a module is imported when its kind
            is asked for, and no plugin takes its name.
        port: The method that each has, with its arguments' names.
        inner: The field that is the sweep's and in no file.
    """

    noun: str
    group: str
    table: Mapping[str, str]
    port: str
    inner: str

    def names(self) -> tuple[str, ...]:
        """Return every name, those of plugins last."""
        return (*self.table, *(name for name in self._plugins() if name not in self.table))

    def load(self, name: str) -> Any:
        """Return the class of a name.

        Raises:
            UsageError: There is none of that name, or a plugin cannot be loaded.
            MissingExtra: It needs a library that is not installed.
        """
        if name in self.table:
            return EntryPoint(name, self.table[name], self.group).load()
        plugins = self._plugins()
        if name not in plugins:
            names = self.names()
            raise UsageError(
                f"no {self.noun} is called {name!r}{_hint(name, names)} Known: {', '.join(names)}"
            )
        return self._loaded(plugins[name])

    def settings(self, kind: Any) -> dict[str, Any]:
        """Return what a file may set, with types."""
        hints = get_type_hints(kind) if _fields(kind) else {}
        may_set = (f.name for f in _fields(kind) if f.init and not f.name.startswith("_"))
        return {name: hints[name] for name in may_set if name != self.inner}

    def make(self, name: str, values: Mapping[str, Any] | None, inner: Any) -> Any:
        """Return the thing of a name with the given settings.

        Args:
            name: Of the table, or of a plugin.
            values: Settings by name, for those that are not to be the thing's own defaults.
            inner: For the field that is the sweep's, where there is one; None leaves its default.

        Raises:
            UsageError: As for :meth:`load`, or it has no such setting, or one is of the wrong type or makes
                no sense.
            MissingExtra: As for :meth:`load`.
        """
        kind = self.load(name)
        known = self.settings(kind)
        chosen = dict(values or {})
        for setting, value in chosen.items():
            if setting not in known:
                raise self._unknown(name, known, setting)
            _check(name, known, setting, value)
        if inner is not None and any(f.name == self.inner for f in _fields(kind)):
            chosen[self.inner] = inner
        try:
            return kind(**chosen)
        except ValueError as error:  # what another package's class says of a setting that makes no sense
            raise UsageError(f"{name}: {error}", owner=name) from error

    def _unknown(self, owner: str, known: Mapping[str, Any], setting: str) -> UsageError:
        """Return what to say of a setting that a thing does not have: what is meant, or who has it."""
        meant = nearest(setting, known)
        owners = [] if meant else [name for name in self.table if setting in self._settings_of(name)]
        whose = f": {join(owners)} {'has' if len(owners) == 1 else 'have'} it." if owners else "."
        has = ", ".join(known) or "none"
        message = f"{owner} has no setting {setting!r}{meant or whose} It has: {has}"
        return UsageError(message, owner=owner, setting=setting)

    def _settings_of(self, name: str) -> Collection[str]:
        try:
            return self.settings(self.load(name))
        except (MissingExtra, ImportError):  # its library is not here, so it is no help either
            return ()

    def _plugins(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=self.group)}

    def _loaded(self, point: EntryPoint) -> Any:
        package = f"package {point.dist.name} {point.dist.version}" if point.dist else "a plugin"
        where = f"{self.noun} {point.name!r} of {package} ({point.value})"
        try:
            kind = point.load()
        except MissingExtra:
            raise
        except Exception as error:
            raise UsageError(
                f"{where} cannot be loaded: {type(error).__name__}: {error}. Mend or uninstall the package.",
                entry_point=point.value,
            ) from error
        if not isinstance(kind, type) or not callable(getattr(kind, self.port.partition("(")[0], None)):
            raise UsageError(
                f"{where} is not a {self.noun}: it must be a class with {self.port}", entry_point=point.value
            )
        return kind


def refuse_unless(owner: str, demands: Mapping[str, bool]) -> None:
    """Refuse settings that make no sense, all at once.

    Args:
        owner: Whose settings.
        demands: Whether each is met, by the sentence that states it.

    Raises:
        UsageError: One of them is not.
    """
    unmet = [sentence for sentence, is_met in demands.items() if not is_met]
    if unmet:
        raise UsageError(f"{owner}: {'; '.join(unmet)}", owner=owner)


def _fields(kind: Any) -> Sequence[dataclasses.Field[Any]]:
    return dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else ()


def _check(owner: str, known: Mapping[str, Any], name: str, value: Any) -> None:
    if not _fits(value, known[name]):
        raise UsageError(
            f"{owner}: {name} must be {_words(known[name])}, not {value!r}", owner=owner, setting=name
        )


def _hint(name: str, known: Collection[str]) -> str:
    return nearest(name, known) or "."


def _fits(value: Any, kind: Any) -> bool:
    """Return whether a value from a file fits an annotation; True for annotations that are not plain."""
    if get_origin(kind) in (Union, UnionType):
        return any(_fits(value, part) for part in get_args(kind))
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    if kind in (int, float):
        return isinstance(value, int if kind is int else int | float) and not isinstance(value, bool)
    return not isinstance(kind, type) or isinstance(value, kind)


def _words(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(map(str, get_args(kind)))
    if get_origin(kind) in (Union, UnionType):
        return " or ".join(_words(part) for part in get_args(kind))
    return _WORDS.get(kind, str(kind))
