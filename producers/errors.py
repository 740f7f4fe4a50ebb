"""What goes wrong with input, in a sentence that says what to do."""


class InputError(Exception):
    """Expected: a command prints its sentence, without a traceback, and ends with 1."""


class RetryLaterError(InputError):
    """Something outside is away. Who runs on for ever tries again later; who does one thing ends with the sentence."""


class NotPublishedError(RetryLaterError):
    """A record that Kafka did not acknowledge. Sending it again is safe: the event id tells the copies apart."""


class TooLargeError(InputError):
    """A record that no topic of ours takes. Others can still be sent."""


class DamagedError(InputError):
    """A state file that cannot be read."""


class CannotPlayError(InputError):
    """Nothing was sent."""


class CannotImportError(InputError):
    """Nothing more of the file was sent."""


class AlreadyImportedError(CannotImportError):
    """The whole file is on the log: there is nothing to do."""


class SourceAwayError(RetryLaterError):
    """A foreign database that does not answer."""


class CannotSimulateError(InputError):
    """Nothing more was sent."""


class DeadLetterError(InputError):
    """Nothing was done with the dead letter."""


class CannotServeError(InputError):
    """The gateway does not start like this."""


class DeviceError(InputError):
    """The register of devices is as it was."""


class Unmapped(ValueError):
    """A row that is no event. `column` is empty if it is the row as a whole; `message` is for the officer who keyed it."""

    def __init__(self, column: str, message: str) -> None:
        super().__init__(f"{column}: {message}" if column else message)
        self.column = column
        self.message = message
