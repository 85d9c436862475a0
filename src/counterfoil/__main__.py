"""`python -m counterfoil`: the program, where no script of that name is on the path."""

from counterfoil.cli.main import main

main()
