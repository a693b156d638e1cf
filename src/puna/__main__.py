"""`python -m puna` is the `puna` command."""

from puna.cli import main

main()
