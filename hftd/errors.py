"""Errors a user may meet, each a sentence that says where, what, and what instead.

    HftdError                 exit status 1
    ├── ConfigurationError    exit status 78: settings, model files, keys, tapes; a restart will not cure it
    │   ├── SettingsError
    │   ├── ModelError
    │   ├── CredentialsError
    │   └── DataError         tapes and recorded data
    ├── CalendarError         no session where one was asked for
    ├── StateError            state directory, journal, another daemon on the same state
    └── BrokerError           the broker refused, failed or could not be reached
        ├── BrokerRefused     it answered no; the answer's status, code and message are attributes
        └── BrokerUnavailable it did not answer, or not in time: the request may or may not have been done

A failed assertion is a bug of ours and stays a traceback. An order refused by risk or by the broker is a value, not
an error.
"""


class HftdError(Exception):
    """Root of all errors that are the user's or the world's, not ours."""

    exit_status = 1


class ConfigurationError(HftdError):
    """Something that only its user can mend: systemd must not restart on it (exit status 78, EX_CONFIG)."""

    exit_status = 78


class SettingsError(ConfigurationError):
    """A setting is unknown, ill-typed or out of range."""


class ModelError(ConfigurationError):
    """A model file cannot be found, loaded or trusted."""


class CredentialsError(ConfigurationError):
    """Keys are missing or refused."""


class DataError(ConfigurationError):
    """Recorded data do not hold what they should."""


class CalendarError(HftdError):
    """The calendar knows no such session."""


class StateError(HftdError):
    """The state directory or the journal cannot be used."""


class BrokerError(HftdError):
    """Something went wrong between us and the broker."""


class BrokerRefused(BrokerError):
    """The broker answered with an error. `status` is HTTP's; `code` is the broker's own number, 0 if it sent none."""

    def __init__(self, message: str, *, status: int, code: int = 0) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class BrokerUnavailable(BrokerError):
    """No answer, or not in time. A request may have been carried out all the same: ask before repeating it."""


UNANSWERED = (BrokerError, CredentialsError)
"""What asking a broker may come to. In the middle of a session refused keys are no reason to leave, as they are at its
beginning: what is held would be left to nobody, and a gateway in trouble refuses good keys, too."""
