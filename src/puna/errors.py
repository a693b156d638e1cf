"""Puna's errors: few, typed, each with a code, a cause, the state you are in and a remedy.

    PunaError
    ├── ConfigError            E0xx  exit 3   a configuration that cannot be used
    ├── NetworkError           E01x  exit 1   the broker could not be reached; nothing is known about the request
    │   └── TlsError           E014           no secure connection: certificate, name or version; nothing was sent
    ├── DeadlineError          E012  exit 7   no answer in time; a mutating request is in doubt
    ├── LiveRefusedError       E020  exit 8   a live host was named, and no permit exists
    ├── BrokerError            E2xx  exit 5   the broker answered, and the answer is no
    │   ├── AuthError          E201           these keys are not accepted here
    │   ├── RefusedError       E203           a business refusal (403 or 422)
    │   ├── NotFoundError      E204           there is no such thing
    │   ├── RateLimitError     E229           too many requests
    │   └── OutageError        E250           5xx: nothing is known about a mutating request
    ├── ProtocolError          E300  exit 1   the broker's bytes are not what the broker documents
    ├── JournalError           E4xx  exit 1   the journal cannot be read or written; nothing is sent without it
    ├── RiskRefusedError       R1xx  exit 6   a risk check said no; nothing was sent
    ├── InDoubtError           E500  exit 7   what became of an order is not known yet
    ├── BooksDifferError       E510  exit 1   our books and the broker's do not agree
    └── DataError              E600  exit 1   market data or a data file that cannot be used

Text is for people; programs branch on the type, the code and `exit_code`.
"""

from typing import ClassVar

__all__ = [
    "AuthError",
    "BooksDifferError",
    "BrokerError",
    "ConfigError",
    "DataError",
    "DeadlineError",
    "InDoubtError",
    "JournalError",
    "LiveRefusedError",
    "NetworkError",
    "NotFoundError",
    "OutageError",
    "ProtocolError",
    "PunaError",
    "RateLimitError",
    "RefusedError",
    "RiskRefusedError",
    "TlsError",
]


class PunaError(Exception):
    """What happened, why we think so, in which state you are, and what to do.

    Args:
        what: one sentence, what happened.
        why: what makes us think so; may be empty.
        state: what is true now (sent, not sent, in doubt); may be empty.
        remedy: the next useful thing to do; may be empty.
        code: a stable code for `puna explain`; the class has a default.

    Attributes:
        in_doubt: the broker may have carried out what was asked of it; only its own evidence can tell.
    """

    code: str = "E000"
    in_doubt: bool = False
    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, why: str = "", state: str = "", remedy: str = "", code: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.state = state
        self.remedy = remedy
        if code is not None:
            self.code = code

    def __str__(self) -> str:
        lines = [
            f"{self.code}  {self.what}",
            *(f"      {line}" for line in (self.why, self.state, self.remedy) if line),
        ]
        return "\n".join(lines)


class ConfigError(PunaError):
    """A configuration that cannot be used; nothing was started."""

    code = "E007"
    exit_code = 3


class NetworkError(PunaError):
    """The broker could not be reached; nothing is known about the request, or about symbols and keys."""

    code = "E011"


class TlsError(NetworkError):
    """No secure connection could be made: a certificate, a name, a version. Nothing was sent, keys least of all."""

    code = "E014"


class DeadlineError(PunaError):
    """No answer within the deadline; a mutating request is in doubt."""

    code = "E012"
    exit_code = 7


class LiveRefusedError(PunaError):
    """A live host was named, and no permit for live exists."""

    code = "E020"
    exit_code = 8


class BrokerError(PunaError):
    """The broker answered, and the answer is no.

    Attributes:
        status: the HTTP status.
        broker_code: Alpaca's eight-digit code, when the body had one.
        message: Alpaca's own words, when the body had them.
        details: the further keys of the body, as they came.
    """

    code = "E200"
    exit_code = 5

    def __init__(
        self,
        what: str,
        *,
        status: int,
        broker_code: int | None = None,
        message: str = "",
        details: dict[str, object] | None = None,
        why: str = "",
        state: str = "",
        remedy: str = "",
        code: str | None = None,
    ) -> None:
        super().__init__(what, why=why, state=state, remedy=remedy, code=code)
        self.status = status
        self.broker_code = broker_code
        self.message = message
        self.details = details or {}


class AuthError(BrokerError):
    """These keys are not accepted here."""

    code = "E201"


class RefusedError(BrokerError):
    """A business refusal: the order or request was understood and not accepted."""

    code = "E203"


class NotFoundError(BrokerError):
    """There is no such order, position or asset."""

    code = "E204"


class RateLimitError(BrokerError):
    """Too many requests; `reset` is the Unix second at which the quota changes, when the broker said so."""

    code = "E229"
    reset: int | None = None


class OutageError(BrokerError):
    """A 5xx answer: nothing is known about a mutating request."""

    code = "E250"


class ProtocolError(PunaError):
    """The broker's bytes are not what the broker documents."""

    code = "E300"


class JournalError(PunaError):
    """The journal cannot be read or written; nothing is sent without it."""

    code = "E400"


class RiskRefusedError(PunaError):
    """A risk check said no; nothing was sent."""

    code = "R100"
    exit_code = 6


class InDoubtError(PunaError):
    """What became of an order is not known yet."""

    code = "E500"
    exit_code = 7


class BooksDifferError(PunaError):
    """Our books and the broker's do not agree."""

    code = "E510"


class DataError(PunaError):
    """Market data, or a data file, that cannot be used."""

    code = "E600"
