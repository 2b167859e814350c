"""A store that somebody has changed, and names that are markup: no kinder verdict, no live link."""

from __future__ import annotations

import json
import os

import polars as pl
import pytest

from sharpen.report import write_html
from sharpen.store.queries import Reader

from .stores import SPEC, fill

PHISH = '<a href="https://example.invalid/phish">pay</a>'


def blob_of_best(lab):
    """Return the file of the best run's returns."""
    best = lab.analysis().best
    files = Reader(lab.home).artifacts(sweep_id=lab.sweep_id)
    (file,) = [file for file in files if file.run_id == best.run.id]
    return file.path


def test_returns_that_were_changed_on_the_disk_make_no_verdict(lab, tmp_path) -> None:
    lab.sweep()
    fill(lab)
    before = lab.analysis()
    assert before.judgement.kind != "none"
    path = blob_of_best(lab)
    better = pl.read_parquet(path).with_columns(pl.col("ret") + 0.01)
    path.chmod(0o600)
    better.write_parquet(path)
    found = lab.analysis()
    assert found.judgement.kind == "none"
    assert "kept no usable out-of-sample returns" in found.judgement.headline
    write_html(found, tmp_path / "report.html")
    assert "is damaged: its content is not what was kept" in (tmp_path / "report.html").read_text()


@pytest.mark.timeout(60)
def test_a_pipe_in_the_place_of_a_blob_holds_nobody_up(lab) -> None:
    lab.sweep()
    fill(lab, n_runs=4)
    path = blob_of_best(lab)
    path.unlink()
    os.mkfifo(path)
    assert lab.analysis().judgement.kind == "none"


def test_a_name_that_is_markup_is_shown_as_it_is_written_in_charts(lab, tmp_path) -> None:
    name = json.dumps(f"m{PHISH}")
    spec = SPEC.replace("val/sharpe", name).replace("max_depth", json.dumps(f"p{PHISH}"))
    lab.sweep(spec)
    for n in range(6):
        lab.run([(1, {f"m{PHISH}": float(n)})])
    write_html(lab.analysis(), tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    figures = [json.loads(text.partition("</script>")[0]) for text in islands(page)]
    assert figures
    texts = [text for figure in figures for text in strings(figure)]
    assert any("&lt;a href" in text for text in texts)
    assert not any("<a" in text for text in texts)


def islands(page):
    """Return the JSON that scripts of the page read."""
    return [part.partition(">")[2] for part in page.split("<script")[1:] if "application/json" in part[:80]]


def strings(value):
    """Give every text in a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from strings(part)
    elif isinstance(value, list):
        for part in value:
            yield from strings(part)
