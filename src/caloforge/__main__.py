"""`python -m caloforge`: the command line where its script is not on the path."""

from caloforge.cli import main

main()
