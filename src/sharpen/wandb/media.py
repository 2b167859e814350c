"""What is logged beside numbers: tables, images, HTML, histograms and arrays."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

from sharpen import tracking
from sharpen.errors import UsageError
from sharpen.jsonable import dumps

LONGEST_LIST = 64  # numbers of an array that are kept one by one
N_BINS = 64
NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")


@runtime_checkable
class Media(Protocol):
    """What is kept as a file of the run, with a few facts in its history."""

    kind: str
    suffix: str

    def facts(self) -> dict[str, Any]:
        """Return what the history has of it."""
        ...

    def write(self, folder: Path) -> Path:
        """Write it into a folder; return the file."""
        ...


class Table:
    """Rows under named columns.

    Args:
        columns: The names.
        data: The rows.
        dataframe: A data frame in place of both.
    """

    kind, suffix = "table-file", ".table.json"

    def __init__(
        self,
        columns: Sequence[str] | None = None,
        data: Sequence[Sequence[Any]] | None = None,
        dataframe: Any = None,
        **_more: Any,
    ) -> None:
        if dataframe is not None:
            columns = [str(name) for name in dataframe.columns]
            data = dataframe.to_numpy().tolist()
        self.columns = list(columns or ())
        self.data = [list(row) for row in (data if data is not None else ())]

    def add_data(self, *values: Any) -> None:
        """Add a row.

        Raises:
            UsageError: It has more or fewer values than there are columns.
        """
        if len(values) != len(self.columns):
            raise UsageError(f"add_data: {len(values)} values for {len(self.columns)} columns")
        self.data.append(list(values))

    def facts(self) -> dict[str, Any]:
        """Return its size."""
        return {"nrows": len(self.data), "ncols": len(self.columns)}

    def write(self, folder: Path) -> Path:
        """Write it as JSON, as the stock client does."""
        path = folder / f"table{self.suffix}"
        path.write_text(dumps({"columns": self.columns, "data": self.data}))
        return path


class Image:
    """A picture: a file, a figure of matplotlib, or a picture of Pillow.

    Args:
        data_or_path: The picture.
        caption: What stands below it.
    """

    kind, suffix = "image-file", ".png"

    def __init__(self, data_or_path: Any, caption: str | None = None, **_more: Any) -> None:
        self._source = data_or_path
        self._caption = caption
        if isinstance(data_or_path, str | Path):
            self.suffix = Path(data_or_path).suffix or self.suffix
        elif not hasattr(data_or_path, "savefig") and not hasattr(data_or_path, "save"):
            raise UsageError(
                "wandb.Image takes a file, a figure of matplotlib or a picture of Pillow here, not "
                f"{type(data_or_path).__name__}: PIL.Image.fromarray makes one of an array"
            )

    def facts(self) -> dict[str, Any]:
        """Return its caption."""
        return {"caption": self._caption} if self._caption else {}

    def write(self, folder: Path) -> Path:
        """Write it as a file."""
        path = folder / f"image{self.suffix}"
        if isinstance(self._source, str | Path):
            shutil.copyfile(self._source, path)
        elif hasattr(self._source, "savefig"):
            self._source.savefig(path)
        else:
            self._source.save(path)
        return path


class Html:
    """A page: text, or the name of a file that ends in ``.html``."""

    kind, suffix = "html-file", ".html"

    def __init__(self, data: Any, **_more: Any) -> None:
        if isinstance(data, Path) or (isinstance(data, str) and data.endswith(".html")):
            self._text = Path(data).read_text()
        else:
            read: Any = getattr(data, "read", None)
            self._text = str(data if read is None else read())

    def facts(self) -> dict[str, Any]:
        """Return its size."""
        return {"size": len(self._text.encode())}

    def write(self, folder: Path) -> Path:
        """Write it as a file."""
        path = folder / f"page{self.suffix}"
        path.write_text(self._text)
        return path


class Histogram:
    """How many values lie in each of some bins.

    Args:
        sequence: The values.
        np_histogram: Counts and edges in their place.
        num_bins: How many bins.
    """

    def __init__(
        self, sequence: Any = None, np_histogram: tuple[Any, Any] | None = None, num_bins: int = N_BINS
    ) -> None:
        if np_histogram is None:
            import numpy as np  # noqa: PLC0415 - few scripts log one

            values = np.asarray(sequence, dtype=float).ravel()
            np_histogram = np.histogram(values[np.isfinite(values)], bins=num_bins)
        self.histogram: list[int] = [int(n) for n in np_histogram[0]]
        self.bins: list[float] = [float(edge) for edge in np_histogram[1]]

    def facts(self) -> dict[str, Any]:
        """Return counts and edges."""
        return {"_type": "histogram", "values": self.histogram, "bins": self.bins}


def logged_value(run: tracking.Run, name: str, step: int, value: Any) -> Any:
    """Return what the history has of a value; a table or picture is kept as a file of the run first."""
    if isinstance(value, list | tuple):
        several = cast("list[Any]", value)
        if not several or not all(isinstance(item, Media) for item in several):
            return several
        return [_kept(run, f"{name}_{index}", step, item) for index, item in enumerate(several)]
    media = _as_media(value)
    if media is not None:
        return _kept(run, name, step, media)
    return dumps(value.facts()) if isinstance(value, Histogram) else _array(value)


def _as_media(value: Any) -> Media | None:
    """Return a table or picture, or what a figure of matplotlib or plotly is kept as; None for all else."""
    if isinstance(value, Media):
        return value
    if hasattr(value, "savefig"):
        return Image(value)
    is_plotly = hasattr(value, "to_html") and hasattr(value, "to_plotly_json")
    return Html(value.to_html(include_plotlyjs="cdn")) if is_plotly else None


def _array(value: Any) -> Any:
    """Return numbers of an array one by one, or as a histogram where they are many."""
    if not hasattr(value, "tolist") or not hasattr(value, "ndim") or value.ndim == 0:
        return value
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    return value.tolist() if value.size <= LONGEST_LIST else dumps(Histogram(value).facts())


def _kept(run: tracking.Run, name: str, step: int, media: Any) -> str:
    """Keep a file, and return the facts about it as text, which the history shows as it is."""
    file = f"media/{NOT_IN_NAMES.sub('_', name)}_{step}{media.suffix}"
    with tempfile.TemporaryDirectory() as folder:
        run.log_artifact(media.write(Path(folder)), name=file, type="file")
    return json.dumps({"_type": media.kind, "path": file, **media.facts()})
