"""What the venue answers when it says no: HTTP status, Alpaca's code, message and extra fields, ready to be rendered.

The wording and the codes are Alpaca's, as seen on the wire.
"""


class Refusal(Exception):
    """A request is not granted. `code` is None where Alpaca sends none; `extra` holds further fields, all text."""

    def __init__(self, status: int, code: int | None, message: str, **extra: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.extra = extra
