"""Every error that sharpen raises on purpose.

```
SharpenError                what is wrong, where, and the fix
├── UsageError              wrong arguments or files: exit code 2
│   ├── DataError           bars that must not be used; carries the offending rows
│   ├── FoldError           a walk-forward request that cannot be met; carries the numbers
│   ├── SpecError           problems of a sweep file, all at once; carries (path, sentence) pairs
│   ├── NotFound            no such sweep, run, model or file
│   └── MissingExtra        an optional dependency is absent; says what to install
├── StoreError              the store cannot be opened, migrated, read or written
│   ├── StoreHeld           another process writes to it, and cannot be reached from here
│   └── StoreDamaged        it holds something that cannot be read: waiting does not help
├── InternalError           a fault of sharpen's own in the process that holds the store; its log has the rest
├── Refused                 the coordinator refused a request: stale token, ended run, illegal state
└── Unreachable             no coordinator answered within the time allowed
```

Facts travel as attributes, so that a caller can act on them without reading the message, and every error
survives pickling.
"""

from __future__ import annotations

from typing import Any


class SharpenError(Exception):
    """The root: catch it to catch everything that sharpen raises on purpose.

    Args:
        message: What is wrong, where, and the fix.
        facts: What a caller may want to act on; each becomes an attribute.

    >>> import pickle
    >>> error = pickle.loads(pickle.dumps(Refused("run a1-3 was leased anew", run_id="a1-3")))
    >>> str(error), error.facts
    ('run a1-3 was leased anew', {'run_id': 'a1-3'})
    """

    def __init__(self, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.message = message
        self.facts = facts

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.message, self.facts))


def _rebuild(kind: type[SharpenError], message: str, facts: dict[str, Any]) -> SharpenError:
    return kind(message, **facts)


def from_facts(kind: str, message: str, facts: dict[str, Any]) -> SharpenError:
    """Return the error of a class's name, as it came over a wire; the root class for an unknown name.

    >>> from_facts("NotFound", "no sweep abc", {})
    NotFound('no sweep abc')
    """
    if kind == "MissingExtra":
        return MissingExtra(facts["package"], facts["extra"])
    error_class: Any = globals().get(kind)
    if isinstance(error_class, type) and issubclass(error_class, SharpenError):
        return error_class(message, **facts)
    return SharpenError(message, **facts)


class UsageError(SharpenError):
    """The caller gave wrong arguments or files; the command line ends with exit code 2."""


class DataError(UsageError):
    """Bars that must not be used; ``facts["rows"]`` holds the first offending rows."""


class FoldError(UsageError):
    """A walk-forward request that cannot be met; ``facts`` holds the numbers."""


class SpecError(UsageError):
    """Problems of a sweep file; ``facts["problems"]`` holds (path, sentence) pairs, all of them."""


class NotFound(UsageError):
    """No such sweep, run, model or file."""


class MissingExtra(UsageError):
    """An optional dependency is absent.

    >>> raise MissingExtra("optuna", "samplers")
    Traceback (most recent call last):
    sharpen.errors.MissingExtra: optuna is not installed: pip install 'sharpen[samplers]'
    """

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"{package} is not installed: pip install 'sharpen[{extra}]'", package=package, extra=extra
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return (MissingExtra, (self.facts["package"], self.facts["extra"]))


class StoreError(SharpenError):
    """The store cannot be opened, migrated, read or written."""


class StoreHeld(StoreError):
    """Another process may write to the store, and this one cannot reach it."""


class StoreDamaged(StoreError):
    """The store holds something that cannot be read; to wait and ask again does not help."""


class InternalError(SharpenError):
    """A fault of sharpen's own; ``facts["id"]`` finds its traceback in the log of the process that hosts."""


class Refused(SharpenError):
    """The coordinator refused a request; ``facts["why"]`` is ``stale``, ``ended``, ``illegal``, ``limit``."""


class Unreachable(SharpenError):
    """No coordinator answered within the time allowed."""
