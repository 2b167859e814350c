"""A program that fails in one and the same way."""

from sharpen import tracking

if __name__ == "__main__":
    with tracking.init() as run:
        print("about to fail")
        raise RuntimeError(f"no such column: close (object at {hex(id(run))})")
