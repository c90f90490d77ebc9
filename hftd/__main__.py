"""The command `hftd`, which is also `python -m hftd`."""

import sys

INTERRUPTED = 130


def main() -> None:
    """Run a command, and end quietly when it is interrupted, as it may be while it is still being imported."""
    try:
        from hftd.cli import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
