"""What goes wrong with a file that is imported, in a sentence that says what to do."""


class CannotImportError(Exception):
    """Printed without a traceback; nothing more of the file was sent."""


class AlreadyImportedError(CannotImportError):
    """The whole file is on the log: there is nothing to do."""


class Unmapped(ValueError):
    """A row that is no event. `column` is empty if it is the row as a whole; `message` is for the officer who keyed it."""

    def __init__(self, column: str, message: str) -> None:
        super().__init__(f"{column}: {message}" if column else message)
        self.column = column
        self.message = message
