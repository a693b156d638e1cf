"""Limits that are looser than those of the run before, on the same journal: told, and with money at stake confirmed.

What is tighter applies without a word. What is looser is written down with what it was, what it is, and who confirmed
it. A live account does not start on looser limits until a second person has named their version.
"""

from typing import NamedTuple

from puna.core.risk import RiskLimits
from puna.core.risk_change import change_of, limits_version
from puna.errors import ConfigError

__all__ = ["Confirmation"]


class Confirmation(NamedTuple):
    """A person's word that looser limits may apply.

    Attributes:
        version: of the limits, as the refusal names it.
        by: who; on a live account somebody else than who starts.
    """

    version: str = ""
    by: str = ""

    def of(self, before: RiskLimits | None, now: RiskLimits, *, live: bool) -> str:
        """What is looser than before, in words, with who confirmed it; empty when nothing is.

        Raises:
            ConfigError: E530, it is live, and nobody has confirmed just these limits; nothing was written or sent.
        """
        change = change_of(before, now) if before is not None else None
        if change is None or not change.looser:
            return ""
        text, version = "; ".join(change.loosened()), limits_version(now)
        confirmed = self.version == version and bool(self.by)
        if live and not confirmed:
            raise ConfigError(
                "The limits are looser than those of the last run on this journal.",
                why=text if not self.version else f"{text}; the version confirmed, {self.version}, is another one",
                state="Nothing was started, and nothing in the journal was changed.",
                remedy=f"A second person confirms them: puna run --confirm-limits {version} --by NAME",
                code="E530",
            )
        return f"{text}; limits {version}, {f'confirmed by {self.by}' if confirmed else 'confirmed by nobody'}"
