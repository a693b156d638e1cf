"""TLS towards the broker: whom to trust, which versions, and what a handshake that fails says.

It fails before a key is sent, so it says nothing about keys, and trying again at once changes nothing: an expired
certificate stays expired. Nothing is ever downgraded. The reasons are OpenSSL's (X509_V_ERR_*, RFC 8446 alerts).
"""

import ssl
from functools import lru_cache

from puna.errors import TlsError

__all__ = ["TLS_FLOOR_SECONDS", "tls_error", "trust"]

TLS_FLOOR_SECONDS = 30.0
"""How long at least a stream that was live before waits after a handshake that failed."""

_CLOCK = "Look at this machine's clock first; if it is right, the server's operator has to renew the certificate."
_BETWEEN = (
    "Something may stand between here and the broker (a proxy, a virus scanner, a captive portal), or the address is "
    "not the broker's. Where that is meant, add its authority to the trusted ones: SSL_CERT_FILE=FILE."
)
_ADDRESS = "Check the address: the server that answers there is not the one that was asked for."
_VERSIONS = "The server, or what stands before it, has to speak TLS 1.2 or newer; nothing older is ever used here."

_CERTIFICATE = {
    9: ("its certificate is not valid yet", _CLOCK),
    10: ("its certificate has expired", _CLOCK),
    18: ("its certificate is signed by itself", _BETWEEN),
    19: ("its certificate leads to an authority that nobody here trusts", _BETWEEN),
    20: ("its certificate is from an authority that nobody here knows", _BETWEEN),
    21: ("its certificate is from an authority that nobody here knows", _BETWEEN),
    62: ("its certificate is for another name", _ADDRESS),
    64: ("its certificate is for another address", _ADDRESS),
}
_PROTOCOL = {
    "TLSV1_ALERT_PROTOCOL_VERSION": "it speaks only versions of TLS older than 1.2",
    "UNSUPPORTED_PROTOCOL": "it speaks only versions of TLS older than 1.2",
    "NO_PROTOCOLS_AVAILABLE": "it speaks only versions of TLS older than 1.2",
    "WRONG_VERSION_NUMBER": "it does not speak TLS",
    "RECORD_LAYER_FAILURE": "it does not speak TLS",
    "HTTP_REQUEST": "it does not speak TLS",
}


@lru_cache(maxsize=1)
def trust() -> ssl.SSLContext:
    """Certificates of the system, names checked, TLS 1.2 or newer, HTTP/1.1 only."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def tls_error(cause: ssl.SSLError, host: str) -> TlsError:
    """The reason by name, and what to do about it."""
    why, remedy = _reason(cause)
    return TlsError(
        f"No secure connection to {host}: {why}.",
        why=f"{type(cause).__name__}: {cause}"[:200] + "; no key was sent, so this says nothing about your keys",
        state="Nothing was sent.",
        remedy=remedy,
    )


def _reason(cause: ssl.SSLError) -> tuple[str, str]:
    if isinstance(cause, ssl.SSLCertVerificationError):
        said = getattr(cause, "verify_message", "") or "its certificate cannot be trusted"
        return _CERTIFICATE.get(getattr(cause, "verify_code", 0), (said, _BETWEEN))
    name = getattr(cause, "reason", None) or ""
    known = _PROTOCOL.get(name)
    return (known, _VERSIONS) if known else (f"the handshake failed ({name or 'no reason given'})", _VERSIONS)
