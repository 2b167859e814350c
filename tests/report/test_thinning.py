"""Charts of very many runs: few dots, and none that counts is missing."""

from __future__ import annotations

import pytest

from sharpen.report import figures, html, thinning


@pytest.fixture
def few_dots(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (figures, html, thinning):
        monkeypatch.setattr(module, "MAX_DOTS", 8)
    monkeypatch.setattr(figures, "N_BEST", 3)


def test_charts_of_many_runs_draw_the_best_and_every_step_of_the_line(lab, few_dots) -> None:
    lab.sweep()
    scores = [float(n * 7 % 20) for n in range(20)]
    for score in scores:
        lab.run([(1, {"val/sharpe": score})])
    analysis = lab.analysis()
    charts = figures.figures(analysis)
    _, finished, line = charts["history"]["data"]
    assert len(finished["x"]) == 8
    steps = [
        (1, 0.0),
        (2, 7.0),
        (3, 14.0),
        (6, 15.0),
        (9, 16.0),
        (12, 17.0),
        (15, 18.0),
        (18, 19.0),
        (20, 19.0),
    ]
    assert list(zip(line["x"], line["y"], strict=True)) == steps
    drawn = sorted(charts["slice-0"]["data"][1]["y"], reverse=True)
    assert (len(drawn), drawn[:3], drawn[-1]) == (8, [19.0, 18.0, 17.0], 0.0)
    assert "Of 20 runs charts draw 8" in html.render(analysis)


def test_charts_of_few_runs_draw_all(lab) -> None:
    lab.sweep()
    for n in range(20):
        lab.run([(1, {"val/sharpe": float(n)})])
    analysis = lab.analysis()
    charts = figures.figures(analysis)
    assert [len(trace["x"]) for trace in charts["history"]["data"]] == [0, 20, 20]
    assert "charts draw" not in html.render(analysis)
