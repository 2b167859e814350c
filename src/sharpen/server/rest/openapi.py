"""The OpenAPI document, made from the table of endpoints."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Literal

from sharpen import __version__
from sharpen.errors import UsageError
from sharpen.server.rest import values

PLAIN: Mapping[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}
PROBLEMS = {
    "400": "The request makes no sense; the message says what would.",
    "401": "There is no valid key in the header Authorization.",
    "403": "The key's scope is too small.",
    "404": "There is no such thing.",
    "409": "It cannot be done in the state that things are in.",
}


@dataclass(frozen=True, slots=True)
class Param:
    """A query parameter.

    Attributes:
        name: Its name.
        about: What it means.
        default: What holds when it is not said; its kind is that of the parameter.
        least: The smallest whole number.
        most: The largest.
        among: The only words.
    """

    name: str
    about: str
    default: Any = ""
    least: int = 0
    most: int = 0
    among: tuple[str, ...] = ()

    def read(self, text: str | None) -> Any:
        """Return the value of what a request says.

        Raises:
            UsageError: It is none.

        >>> Param("limit", "", 50, 1, 1000).read("7"), Param("state", "").read(None)
        (7, '')
        >>> Param("limit", "", 50, 1, 1000).read("0")
        Traceback (most recent call last):
        sharpen.errors.UsageError: limit: a whole number from 1 to 1000, not '0'
        """
        if text is None:
            return self.default
        if isinstance(self.default, int):
            value = int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else -1
            if not self.least <= value <= self.most:
                range_text = f"a whole number from {self.least} to {self.most}"
                raise UsageError(f"{self.name}: {range_text}, not {text[:40]!r}")
            return value
        if self.among and text not in self.among:
            raise UsageError(f"{self.name}: one of {', '.join(self.among)}; not {text[:40]!r}")
        return text

    def document(self) -> dict[str, Any]:
        """Return the parameter as OpenAPI writes it."""
        schema: dict[str, Any] = {"type": "string", "default": self.default}
        if isinstance(self.default, int):
            schema = {"type": "integer", "default": self.default, "minimum": self.least, "maximum": self.most}
        elif self.among:
            schema["enum"] = list(self.among)
        return {"name": self.name, "in": "query", "description": self.about, "schema": schema}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One thing that can be asked.

    Attributes:
        path: With names in braces.
        answer: Answers; its docstring says what, its annotation what comes back.
        returns: The dataclass of the answer; bytes for a file's content.
        params: Query parameters.
        scope: What the key must allow.
        method: GET asks; POST changes.
        tag: What it is about.
    """

    path: str
    answer: Callable[..., Any]
    returns: Any
    tag: str
    params: Sequence[Param] = ()
    scope: Literal["read", "agent", "admin"] = "read"
    method: Literal["GET", "POST"] = "GET"

    @property
    def summary(self) -> str:
        """What it answers, in a line."""
        return (inspect.getdoc(self.answer) or "").partition("\n")[0].removeprefix("Return ").capitalize()


def document(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """Return the OpenAPI document."""
    paths: dict[str, Any] = {}
    for endpoint in endpoints:
        path = endpoint.path.replace(":path}", "}")
        paths.setdefault(path, {})[endpoint.method.lower()] = _operation(endpoint)
    named: list[tuple[str, Any]] = inspect.getmembers(values, is_dataclass)
    return {
        "openapi": "3.1.0",
        "info": {"title": "sharpen", "version": __version__, "description": (values.__doc__ or "").strip()},
        "paths": paths,
        "security": [{"key": []}],
        "components": {
            "schemas": {name: schema_of_class(cls) for name, cls in named},
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "A key of 'sharpen key add'."}
            },
        },
    }


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    path_names = _names_in(endpoint.path)
    places = [{"name": n, "in": "path", "required": True, "schema": {"type": "string"}} for n in path_names]
    content: dict[str, Any] = {"application/json": {"schema": schema_of(endpoint.returns)}}
    if endpoint.returns is bytes:
        content = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    refused = {"application/json": {"schema": schema_of(values.Problem)}}
    answers = {code: {"description": meaning, "content": refused} for code, meaning in PROBLEMS.items()}
    return {
        "summary": endpoint.summary,
        "tags": [endpoint.tag],
        "operationId": endpoint.answer.__name__.strip("_"),
        "parameters": [*places, *(param.document() for param in endpoint.params)],
        "responses": {"200": {"description": endpoint.summary, "content": content}, **answers},
        "description": f"Needs a key of scope {endpoint.scope}.",
    }


def _names_in(path: str) -> list[str]:
    parts = [part.partition("}")[0] for part in path.split("{")[1:]]
    return [part.partition(":")[0] for part in parts]


def schema_of_class(cls: Any) -> dict[str, Any]:
    """Return the JSON schema of a dataclass: all of its fields, and no other."""
    hints = typing.get_type_hints(cls)
    return {
        "type": "object",
        "description": inspect.getdoc(cls) or "",
        "properties": {field.name: schema_of(hints[field.name]) for field in fields(cls)},
        "required": [field.name for field in fields(cls)],
        "additionalProperties": False,
    }


def schema_of(hint: Any) -> dict[str, Any]:
    """Return the JSON schema of a type.

    >>> schema_of(float | None)
    {'anyOf': [{'type': 'number'}, {'type': 'null'}]}
    >>> schema_of(dict[str, int])
    {'type': 'object', 'additionalProperties': {'type': 'integer'}}
    """
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return {"anyOf": [schema_of(one) for one in inner]}
    if origin is list:
        return {"type": "array", "items": schema_of(inner[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": schema_of(inner[1])}
    if is_dataclass(hint):
        return {"$ref": f"#/components/schemas/{getattr(hint, '__name__', '')}"}
    if hint is type(None):
        return {"type": "null"}
    return {"type": PLAIN[hint]} if hint in PLAIN else {}
