"""Main: lets `python -m leadhand` be the `leadhand` command."""

from leadhand.cli import main

main()
