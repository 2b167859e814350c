"""Search spaces as ConfigSpace and the Hydra sweepers write them, to the parameters of a sweep file.

Nothing of ConfigSpace is imported: what is read is its written form, a mapping of hyperparameters, a list of
conditions and one of forbidden clauses. The forms that people write from memory are read too, each with a
note of the canonical spelling.

Source: ConfigSpace 1.2, the keys of its hyperparameters, conditions and forbidden clauses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from sharpen.hints import Problem, describe, join, nearest

NUMBERS = ("lower", "upper", "log", "default_value", "q")
BELL = ("mu", "sigma", *NUMBERS)
CHOICES = ("choices", "weights", "default_value")
KEYS: Mapping[str, tuple[str, ...]] = {
    "uniform_float": NUMBERS,
    "uniform_int": NUMBERS,
    "normal_float": BELL,
    "normal_int": BELL,
    "categorical": CHOICES,
    "ordinal": ("sequence", "default_value"),
    "constant": ("value", "default_value"),
}
"""The types of a hyperparameter, and the keys of each."""
ALWAYS = ("type", "name", "meta")
TYPE_ALIASES = {
    **dict.fromkeys(("float", "real", "double", "uniform"), "uniform_float"),
    **dict.fromkeys(("int", "integer", "randint"), "uniform_int"),
    **dict.fromkeys(("choice", "category", "cat"), "categorical"),
}
KEY_ALIASES = {"default": "default_value", "low": "lower", "high": "upper", "min": "lower", "max": "upper"}
CONDITION_SIGNS = {"EQ": "==", "IN": "in", "NEQ": "!=", "LT": "<", "GT": ">"}
SECTIONS = ("hyperparameters", "conditions", "forbiddens", "seed", "name", "meta")


READ_AS_BOOL = "is true or false to YAML, as on, off, yes and no are: put the name in quotes, as in 'on'"


@dataclass(frozen=True, slots=True)
class SearchSpace:
    """A space in the words of a sweep file.

    Attributes:
        parameters: The ``parameters`` of a sweep file.
        forbidden: Its ``forbidden``.
        default: The configuration of the defaults that are given; empty when none is.
        notes: What was read in another spelling than the canonical one: (place, sentence), each once.
    """

    parameters: Mapping[str, Mapping[str, Any]]
    forbidden: tuple[Mapping[str, Any], ...] = ()
    default: Mapping[str, Any] = field(default_factory=dict[str, Any])
    notes: tuple[Problem, ...] = ()


@dataclass
class _Reading:
    """What has been found so far."""

    problems: list[Problem]
    notes: dict[str, str] = field(default_factory=dict[str, str])

    def note(self, sentence: str, path: str) -> None:
        self.notes.setdefault(sentence, path)

    def wrong(self, path: str, sentence: str) -> None:
        self.problems.append((path, sentence))


def read_search_space(value: Any, path: str, problems: list[Problem]) -> SearchSpace:
    """Return the parameters that a search space describes; what is wrong with it is added to the problems.

    Args:
        value: The mapping, with ``hyperparameters`` at its top or one level down.
        path: Where it is.
        problems: Where to add (path, sentence) pairs.

    >>> problems = []
    >>> lr = {"type": "float", "lower": 1e-5, "upper": 1e-3, "log": True, "default": 3e-4}
    >>> space = read_search_space({"hyperparameters": {"lr": lr}}, "search_space", problems)
    >>> space.parameters["lr"]
    {'distribution': 'log_uniform_values', 'min': 1e-05, 'max': 0.001}
    >>> space.default, [sentence for _, sentence in space.notes]
    ({'lr': 0.0003}, ['type: float is read as type: uniform_float', 'default is read as default_value'])
    """
    reading = _Reading(problems)
    value, path = _unnested(value, path, reading)
    if value is None:
        return SearchSpace({})
    for name in value:
        if name not in SECTIONS:
            reading.wrong(f"{path}.{name}", f"no such key{nearest(name, SECTIONS)}; known: {join(SECTIONS)}")
    parameters: dict[str, dict[str, Any]] = {}
    default: dict[str, Any] = {}
    for name, entry, entry_path in _entries(value.get("hyperparameters"), f"{path}.hyperparameters", reading):
        read = _hyperparameter(entry, entry_path, reading)
        if read is not None:
            parameters[name], own_default = read
            default |= {} if own_default is None else {name: own_default}
    _add_conditions(value.get("conditions") or [], f"{path}.conditions", parameters, reading)
    forbidden = _forbidden(value.get("forbiddens") or [], f"{path}.forbiddens", parameters, reading)
    notes = tuple((entry_path, sentence) for sentence, entry_path in reading.notes.items())
    return SearchSpace(parameters, forbidden, default, notes)


def _unnested(value: Any, path: str, reading: _Reading) -> tuple[dict[str, Any] | None, str]:
    """Return the mapping that holds the hyperparameters, which may stand in one of the same name."""
    if isinstance(value, Mapping) and set(cast("Mapping[str, Any]", value)) == {"search_space"}:
        inner = cast("Mapping[str, Any]", value)["search_space"]
        reading.note("the file's search_space key is one level too many: begin it with hyperparameters", path)
        return _unnested(inner, f"{path}.search_space", reading)
    if not isinstance(value, Mapping) or "hyperparameters" not in value:
        reading.wrong(
            path, f"is {describe(value)} without hyperparameters: give hyperparameters: {{NAME: …}}"
        )
        return None, path
    return dict(cast("Mapping[str, Any]", value)), path


def _entries(value: Any, path: str, reading: _Reading) -> list[tuple[str, dict[str, Any], str]]:
    """Return (name, entry, path) of each hyperparameter, of a mapping or of ConfigSpace's JSON list."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        named: list[Any] = list(cast("Sequence[Any]", value))
        pairs: list[tuple[Any, Any]] = [(entry["name"], entry) for entry in named]
    elif isinstance(value, Mapping):
        pairs = list(cast("Mapping[str, Any]", value).items())
    else:
        pairs = []
    if not pairs:
        reading.wrong(path, f"is {describe(value)}: give at least one hyperparameter, as NAME: {{type: …}}")
    entries: list[tuple[str, dict[str, Any], str]] = []
    for name, entry in pairs:
        if isinstance(name, bool):
            reading.wrong(f"{path}.{name}", READ_AS_BOOL)
        elif isinstance(entry, Mapping):
            entries.append((str(name), dict(cast("Mapping[str, Any]", entry)), f"{path}.{name}"))
        else:
            reading.wrong(
                f"{path}.{name}", f"is {describe(entry)}: give {{type: uniform_float, lower: …, upper: …}}"
            )
    return entries


def _hyperparameter(entry: dict[str, Any], path: str, reading: _Reading) -> tuple[dict[str, Any], Any] | None:
    """Return a hyperparameter as a sweep file writes it, and its default; None when something is wrong."""
    kind = _kind(entry, path, reading)
    if kind is None:
        return None
    options: dict[str, Any] = {}
    n_problems = len(reading.problems)
    for key, value in entry.items():
        own = key if key in KEYS[kind] else KEY_ALIASES.get(key, key)
        if own != key and own in KEYS[kind]:
            reading.note(f"{key} is read as {own}", f"{path}.{key}")
        if own not in (*KEYS[kind], *ALWAYS):
            known = join(KEYS[kind])
            reading.wrong(f"{path}.{key}", f"no such key{nearest(key, KEYS[kind])}; {kind} has {known}")
        elif value is not None:
            options[own] = value
    if len(reading.problems) > n_problems:
        return None
    parameter = _parameter(kind, options, path, reading)
    default = options.get("default_value")
    return None if parameter is None else (parameter, default)


def _kind(entry: dict[str, Any], path: str, reading: _Reading) -> str | None:
    written = entry.get("type")
    if written is None:
        written = "categorical" if "choices" in entry else "constant" if "value" in entry else None
    kind = TYPE_ALIASES.get(str(written), str(written))
    if written is None:
        reading.wrong(path, f"has no type: give one of {join(KEYS)}")
        return None
    if kind not in KEYS:
        meant = nearest(str(written), (*KEYS, *TYPE_ALIASES))
        reading.wrong(f"{path}.type", f"no type is called {written!r}{meant}; known: {join(KEYS)}")
        return None
    if kind != written:
        reading.note(f"type: {written} is read as type: {kind}", f"{path}.type")
    return kind


def _parameter(kind: str, options: dict[str, Any], path: str, reading: _Reading) -> dict[str, Any] | None:
    missing = [key for key in _NEEDED[kind] if key not in options]
    if missing:
        reading.wrong(path, f"lacks {join(missing)}")
        return None
    if kind == "constant":
        return {"value": options["value"]}
    if kind == "ordinal":
        return {"values": list(options["sequence"])}
    if kind == "categorical":
        return _categorical(options)
    if kind.startswith("normal"):
        rounding = (
            {"distribution": "q_normal", "q": 1} if kind == "normal_int" else {"distribution": "normal"}
        )
        return {**rounding, "mu": options["mu"], "sigma": options["sigma"]}
    return _uniform(kind, options)


_NEEDED: Mapping[str, tuple[str, ...]] = {
    "uniform_float": ("lower", "upper"),
    "uniform_int": ("lower", "upper"),
    "normal_float": ("mu", "sigma"),
    "normal_int": ("mu", "sigma"),
    "categorical": ("choices",),
    "ordinal": ("sequence",),
    "constant": ("value",),
}


def _categorical(options: dict[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {"values": list(options["choices"])}
    if "weights" in options:
        total = sum(options["weights"])
        values["probabilities"] = [weight / total for weight in options["weights"]]
    return values


def _uniform(kind: str, options: dict[str, Any]) -> dict[str, Any]:
    ends = {"min": options["lower"], "max": options["upper"]}
    is_log, step = bool(options.get("log")), options.get("q")
    if kind == "uniform_int":
        rounded = "q_log_uniform_values" if is_log else "q_uniform"
        plain = not is_log and step is None
        whole = {name: int(end) for name, end in ends.items()}
        return whole if plain else {"distribution": rounded, **whole, "q": int(step or 1)}
    name = "log_uniform_values" if is_log else "uniform"
    numbers = {end: float(value) for end, value in ends.items()}
    return (
        {"distribution": name, **numbers}
        if step is None
        else {"distribution": f"q_{name}", **numbers, "q": step}
    )


def _add_conditions(
    conditions: Any, path: str, parameters: dict[str, dict[str, Any]], reading: _Reading
) -> None:
    """Give parameters that wait for others a ``when``."""
    for at, condition in enumerate(conditions):
        condition_path = f"{path}[{at}]"
        kind, child = condition.get("type"), condition.get("child")
        odd = _unknown_names(condition, parameters)
        if not _kinds(condition) <= {*CONDITION_SIGNS, "AND", "OR"}:
            reading.wrong(
                f"{condition_path}.type", f"is {kind!r}: known are {', '.join(CONDITION_SIGNS)}, AND and OR"
            )
        elif odd:
            reading.wrong(condition_path, f"names {odd}, which must all be hyperparameters")
        elif "when" in parameters[child]:
            reading.wrong(
                condition_path, f"is a second condition of {child!r}: keep one, with IN for several values"
            )
        else:
            parameters[child]["when"] = _when(condition)


def _kinds(condition: Mapping[str, Any]) -> set[Any]:
    inner = condition.get("conditions") or ()
    return {condition.get("type")}.union(*(_kinds(part) for part in inner))


def _unknown_names(condition: Mapping[str, Any], parameters: Mapping[str, Any]) -> str:
    inner: list[Mapping[str, Any]] = condition.get("conditions") or []
    names: list[Any] = [condition.get("child"), *([] if inner else [condition.get("parent")])]
    odd = [_unknown_names(part, parameters) for part in inner]
    odd += [repr(name) for name in names if name not in parameters]
    return ", ".join(sorted({name for name in odd if name}))


def _when(condition: Mapping[str, Any]) -> Any:
    """Return what a condition says as a ``when``: a mapping where that says it, else an expression."""
    kind = condition["type"]
    if kind in ("EQ", "IN"):
        return {condition["parent"]: condition["value"] if kind == "EQ" else list(condition["values"])}
    return _expression(condition)


def _expression(condition: Mapping[str, Any]) -> str:
    kind = condition["type"]
    if kind in ("AND", "OR"):
        return f" {kind.lower()} ".join(f"({_expression(part)})" for part in condition["conditions"])
    literal = list(condition["values"]) if kind == "IN" else condition["value"]
    return f"{condition['parent']} {CONDITION_SIGNS[kind]} {literal!r}"


def _forbidden(
    clauses: Any, path: str, parameters: Mapping[str, Any], reading: _Reading
) -> tuple[Mapping[str, Any], ...]:
    combinations: list[Mapping[str, Any]] = []
    for at, clause in enumerate(clauses):
        parts = clause.get("clauses", [clause]) if clause.get("type") == "AND" else [clause]
        odd = [repr(part.get("name")) for part in parts if part.get("name") not in parameters]
        if odd:
            reading.wrong(f"{path}[{at}]", f"names {', '.join(odd)}, which must all be hyperparameters")
        elif all(part.get("type") in ("EQUALS", "IN") for part in parts):
            combinations.append({part["name"]: part.get("value", part.get("values")) for part in parts})
        else:
            reading.wrong(f"{path}[{at}]", "only EQUALS, IN, and AND of these are known")
    return tuple(combinations)
