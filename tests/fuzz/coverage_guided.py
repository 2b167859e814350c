"""Inputs that a coverage-guided search finds, by hand only: it needs atheris, which no other test does.

    pip install atheris
    python tests/fuzz/coverage_guided.py sweep_file -max_total_time=600

The first word is what is read: ``sweep_file``, ``requests`` or ``bars``. Whatever follows goes to libFuzzer.
It ends with the input and the traceback when something else than a sentence comes out.
"""
# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import contextlib
import json
import logging
import sys

import atheris

with atheris.instrument_imports(include=["sharpen", "yaml", "json"]):
    from sharpen import spec
    from sharpen.data.delimited import read_csv
    from sharpen.data.frames import read_frame
    from sharpen.errors import UsageError
    from sharpen.wire.protocol import ProtocolError, decode_requests, encode_refusal


def sweep_file(content: bytes) -> None:
    """Read a sweep file."""
    with contextlib.suppress(UsageError):
        spec.parse(content.decode("utf-8", "replace"), where="s.yaml")


def requests(content: bytes) -> None:
    """Read a message of requests."""
    try:
        decode_requests(content)
    except ProtocolError as problem:
        json.loads(encode_refusal(problem))
    except ValueError:  # no JSON
        pass


def bars(content: bytes) -> None:
    """Read a CSV file of bars."""
    with contextlib.suppress(UsageError):
        read_frame(read_csv(content, "x.csv").frame, "x", "x.csv", None)


READERS = {reader.__name__: reader for reader in (sweep_file, requests, bars)}

if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    name = sys.argv.pop(1) if len(sys.argv) > 1 else ""
    if name not in READERS:
        sys.exit(f"say what is to be read: {', '.join(READERS)}")
    atheris.Setup(sys.argv, READERS[name])
    atheris.Fuzz()
