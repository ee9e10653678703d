"""What a user did that cannot work, said so that they can mend it."""


class UserError(Exception):
    """Bad input: the message names what was wrong, where (file, line or config key) and what to do.

    Entry points print it as ``error: ...`` without a traceback and exit with status 2.
    """
