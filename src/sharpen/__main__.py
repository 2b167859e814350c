"""``python -m sharpen``: the same as the ``sharpen`` command."""

from sharpen.cli import main

if __name__ == "__main__":
    main()
