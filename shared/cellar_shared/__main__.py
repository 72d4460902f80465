"""`python -m cellar_shared`: the `cellar` command where no script is on the path."""

from cellar_shared.command import main

main()
