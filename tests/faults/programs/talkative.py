"""A program that logs a hundred thousand points: in bulk at first, then in the usual way."""

from sharpen import tracking

N_POINTS, N_USUAL, N_BULK = 100_000, 100, 1_000


def main():
    with tracking.init() as run:
        for first in range(0, N_POINTS, N_BULK):
            n_bulk = min(N_BULK, N_POINTS - N_USUAL - first)
            rows = [[step, {"score": float(step), "loss": 1.0}] for step in range(first, first + n_bulk)]
            run._sink._client.call("report", **run._sink._lease, rows=rows)
        for step in range(N_POINTS - N_USUAL, N_POINTS):
            run.log({"score": float(step), "loss": 1.0}, step=step)


if __name__ == "__main__":
    main()
