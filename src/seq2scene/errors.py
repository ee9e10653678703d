"""Errors that the user can fix."""


class UserError(Exception):
    """Bad input: the message says what was wrong, where (file, line or config key) and what to do.

    Entry points print it as ``error: ...`` without a traceback and exit with status 2.
    """
