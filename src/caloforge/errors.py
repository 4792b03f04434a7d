"""What the user is told when input cannot be used."""


class CaloforgeError(Exception):
    """A problem of the user's input, said in one sentence; the command line prints it and exits with 2."""
