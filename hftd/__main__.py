"""`python -m hftd` is the same as `hftd`."""

from hftd.cli import main

main()
