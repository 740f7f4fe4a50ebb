"""What goes wrong with a stack, in a sentence that says what to do."""


class StackError(Exception):
    """Printed without a traceback; the exit code is 1."""
