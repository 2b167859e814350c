"""The configuration of a run, which is kept in the store as it changes."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, cast

from sharpen import tracking
from sharpen.errors import UsageError
from sharpen.jsonable import refuse_deep
from sharpen.regular_file import read_text


class Config(tracking.Config):
    """A dictionary whose values can be read and set by attribute; what is set is kept with the run.

    What a sweep chose stays, as in W&B.

    Args:
        values: What is there at the beginning.
        keep: Is told what is set.
        chosen: Names that a sweep chose.
    """

    __slots__ = ("_chosen", "_keep")

    def __init__(
        self,
        values: Mapping[str, Any] | None = None,
        keep: Callable[[Mapping[str, Any]], object] | None = None,
        chosen: Collection[str] = (),
    ) -> None:
        object.__setattr__(self, "_keep", keep)
        object.__setattr__(self, "_chosen", frozenset(chosen))
        super().__init__(values)

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __setitem__(self, name: str, value: Any) -> None:
        self.update({name: value})

    def update(self, values: Any = None, allow_val_change: bool | None = None, **more: Any) -> None:
        """Set several values; a mapping, an argparse namespace or the name of a YAML file."""
        chosen: frozenset[str] = object.__getattribute__(self, "_chosen")
        new = {name: value for name, value in {**as_mapping(values), **more}.items() if name not in chosen}
        refuse_deep("config", new)
        super().update(tracking.Config(new))
        keep = object.__getattribute__(self, "_keep")
        if keep is not None and new:
            keep(new)

    def setdefaults(self, values: Any) -> None:
        """Set the values whose names are not there."""
        self.update({name: value for name, value in as_mapping(values).items() if name not in self})

    def copy(self) -> tracking.Config:
        """Return another with the same values, which nobody keeps."""
        return tracking.Config(self)


def as_mapping(values: Any) -> dict[str, Any]:
    """Return what scripts give as a configuration as a dictionary.

    Raises:
        UsageError: It is none of these.

    >>> as_mapping(Namespace(lr=0.1))
    {'lr': 0.1}
    """
    if values is None:
        return {}
    if isinstance(values, Namespace):
        return vars(values)
    if isinstance(values, Mapping):
        return {str(name): value for name, value in cast("Mapping[Any, Any]", values).items()}
    if isinstance(values, str | Path):
        return _of_file(Path(values))
    raise UsageError(f"config is a mapping, an argparse namespace or a YAML file, not {values!r:.60}")


def _of_file(path: Path) -> dict[str, Any]:
    from sharpen.spec import document  # noqa: PLC0415 - few scripts give a file

    try:
        tree = document.read(read_text(path), str(path)).value
    except (OSError, UnicodeDecodeError) as problem:
        raise UsageError(f"cannot read the configuration {path}: {problem}") from problem
    if not isinstance(tree, Mapping):
        raise UsageError(f"the configuration {path} is a mapping of names to values")
    return {  # `desc` and `value`, as files of W&B have them, or the value itself
        str(name): value["value"] if isinstance(value, Mapping) and "value" in value else value
        for name, value in cast("Mapping[Any, Any]", tree).items()
    }
