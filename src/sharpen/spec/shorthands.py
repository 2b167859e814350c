"""Sections of sharpen's own that stand for constants of the space: data, folds, costs, lockbox."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sharpen.space import Constant
from sharpen.spec.model import Resources
from sharpen.spec.problem_node import Node
from sharpen.spec.readers import ValueReader, integer, number_in, one_of, text
from sharpen.spec.records import Key, clean_record, schema_of

# the key in the section -> the name of the constant, where it is another
_NAMES = {("costs", "bps"): "cost_bps", ("lockbox", "share"): "lockbox_share"}

SECTIONS: Mapping[str, Mapping[str, Key]] = {
    "folds": {
        "n_folds": Key(integer(1), "How many walk-forward folds."),
        "train_ratio": Key(number_in(above=0, most=0.999), "The share of a fold's bars to train on."),
        "gap_bars": Key(integer(0), "Bars left out between training and validation."),
        "embargo_bars": Key(integer(0), "Bars kept free between a label's end and validation."),
        "window": Key(one_of(("rolling", "expanding")), "What happens to old bars."),
    },
    "costs": {"bps": Key(number_in(0, 10_000), "Cost per side of a change of position, in basis points.")},
    "lockbox": {"share": Key(number_in(above=0, most=0.9), "The share of the bars that no search may see.")},
}

_RESOURCES: Mapping[str, Key] = {
    "threads": Key(integer(1), "Processor threads of one run.", default=1),
    "gpu": Key(number_in(0), "GPUs of one run; 0.5 lets two runs share one.", default=0.0),
}


def _read_resources(node: Node) -> Resources | None:
    values = clean_record(node, _RESOURCES, "in resources")
    if values is not None and values["gpu"] > 1 and values["gpu"] % 1:
        return node.child("gpu", None).wrong(
            f"must be a part of one or a whole number, not {values['gpu']:g}"
        )
    return None if values is None else Resources(**values)


resources = ValueReader(_read_resources, schema_of(_RESOURCES))


def _section(name: str) -> ValueReader:
    keys = SECTIONS[name]

    def read(node: Node) -> dict[str, Any] | None:
        values = clean_record(node, keys, f"in {name}")
        if values is None:
            return None
        given = {key: value for key, value in values.items() if key in node.value}
        return {_NAMES.get((name, key), key): value for key, value in given.items()}

    return ValueReader(read, schema_of(keys))


def _read_data(node: Node) -> dict[str, Any] | None:
    name = text(node)
    return None if name is None else {"data": name}


SHORTHANDS: Mapping[str, Key] = {
    "data": Key(
        ValueReader(_read_data, text.schema),
        "A data set's name, or the path of a file of bars.",
        is_extension=True,
    ),
    "folds": Key(_section("folds"), "How the data is cut for walk-forward validation.", is_extension=True),
    "costs": Key(_section("costs"), "What trading costs.", is_extension=True),
    "lockbox": Key(_section("lockbox"), "The final period that no search may see.", is_extension=True),
}


def constants(
    root: Node, values: Mapping[str, Any], parameters: Mapping[str, Node]
) -> Iterator[tuple[str, Constant]]:
    """Yield the constants that the sections of a file stand for; one that is a parameter too is a problem."""
    for section in SHORTHANDS:
        section_values: Mapping[str, Any] = values[section] or {}
        for name, value in section_values.items():
            if name in parameters:
                root.child(section, None).wrong(
                    f"sets {name!r}, which {parameters[name].path} sets too: keep one"
                )
            else:
                yield name, Constant(value)
