"""What programs printed, put together from the chunks that were kept."""

from __future__ import annotations

from collections.abc import Sequence


def overlaid(chunks: Sequence[tuple[int, str]]) -> str:
    r"""Return the text of chunks of lines, of which later ones may replace lines of earlier ones.

    >>> overlaid([(0, "a\n1%\n"), (1, "2%\nb\n")])
    'a\n2%\nb\n'
    """
    next_line = 0
    for first, text in chunks:
        if first < next_line:
            break
        next_line = first + text.count("\n")
    else:
        return "".join(text for _, text in chunks)
    lines: dict[int, str] = {}
    for first, text in chunks:
        lines |= {first + i: line for i, line in enumerate(text.removesuffix("\n").split("\n"))}
    return "".join(f"{lines[number]}\n" for number in sorted(lines))
