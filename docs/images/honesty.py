"""Draw honesty.svg: the best of N noise strategies beside the luck bar, from real output of sharpen.

python docs/images/honesty.py > docs/images/honesty.svg
"""

from __future__ import annotations

import math

import numpy as np

from sharpen.overfit import expected_max_sharpe, noise_variance

YEARS, BARS_PER_YEAR, N_SEARCHES = 5, 252, 40
COUNTS = (1, 3, 10, 30, 100, 300, 1000)
LEFT, BOTTOM, WIDTH, HEIGHT = 60, 300, 560, 260


def main() -> None:
    """Print the picture."""
    n_bars = YEARS * BARS_PER_YEAR
    rng = np.random.default_rng(0)
    year = math.sqrt(BARS_PER_YEAR)
    dots: list[str] = []
    for k, n in enumerate(COUNTS):
        x = LEFT + WIDTH * (k + 0.5) / len(COUNTS)
        for _ in range(N_SEARCHES):
            best = -math.inf
            for _ in range(0, n, 100):  # a hundred strategies at a time
                noise = rng.normal(size=(n_bars, min(n, 100)))
                best = max(best, float((noise.mean(axis=0) / noise.std(axis=0, ddof=1)).max()) * year)
            dots.append(
                f'<circle cx="{x + rng.uniform(-16, 16):.0f}" cy="{_y(best):.0f}" r="2" fill="#888"/>'
            )
        bar = expected_max_sharpe(n, noise_variance(n_bars)) * year
        needed = bar + 1.645 * math.sqrt(noise_variance(n_bars)) * year
        dots.append(_line(x, bar, "#c60"))
        dots.append(_line(x, needed, "#06c"))
        dots.append(f'<text x="{x:.0f}" y="{BOTTOM + 18}" text-anchor="middle">{n}</text>')
    ticks = [
        f'<text x="{LEFT - 8}" y="{_y(v) + 4:.0f}" text-anchor="end">{v}</text>'
        f'<path d="M{LEFT} {_y(v):.0f}h{WIDTH}" stroke="#ddd"/>'
        for v in (-1, 0, 1, 2)
    ]
    print(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 370" font-family="sans-serif"'
        ' font-size="12">\n'
        '<rect width="640" height="370" fill="#fff"/>\n'
        + "\n".join(ticks + dots)
        + f'\n<text x="{LEFT}" y="18">Sharpe ratio of the best, five years of pure noise</text>'
        f'\n<text x="{LEFT + WIDTH / 2}" y="{BOTTOM + 36}" text-anchor="middle">strategies tried</text>'
        f'\n<text x="{LEFT}" y="{BOTTOM + 58}"><tspan fill="#888">● the best of one search</tspan>'
        '<tspan fill="#c60">  — luck bar</tspan>'
        '<tspan fill="#06c">  — needed for a deflated Sharpe of 0.95</tspan>'
        "</text>\n</svg>"
    )


def _y(sharpe: float) -> float:
    return BOTTOM - HEIGHT * (sharpe + 1.2) / 4.0


def _line(x: float, sharpe: float, colour: str) -> str:
    return f'<path d="M{x - 24:.0f} {_y(sharpe):.0f}h48" stroke="{colour}" stroke-width="3"/>'


if __name__ == "__main__":
    main()
