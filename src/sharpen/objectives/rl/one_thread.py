"""Importing torch with one thread: the runs of a machine share its cores."""

from __future__ import annotations

from sharpen.objectives.program import library_versions


def import_torch(*packages: str) -> dict[str, str]:
    """Import torch for this process, with one thread; return its version and those of other packages."""
    import torch  # noqa: PLC0415 - a program's --help answers before this is needed

    torch.set_num_threads(1)
    return library_versions("numpy", "torch", *packages)
