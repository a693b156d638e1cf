"""The self-test of risk: every check is shown an order that it must refuse, under the limits that are configured.

Each case is the same sound order with one thing wrong. It is shown to its own check, and then to a real gateway on a
journal in memory, which must refuse it (by whichever check comes first), write the refusal down and put nothing on its
way. The sound order itself must pass, and so must a reduction while everything else forbids trading: checks that refuse
all are no better than none. Nothing here has a socket, and nobody's account is touched.
"""

import msgspec
from msgspec.structs import replace

from puna import __version__
from puna.alpaca.hosts import Credentials, Endpoints
from puna.alpaca.http import AsyncAlpaca
from puna.core.risk import CHECKS, Check, RiskLimits, RiskView, asked, check, narrowed
from puna.core.risk_ceilings import CEILINGS
from puna.core.risk_change import limits_version
from puna.core.types import OrderIntent
from puna.engine.entries import Refusal
from puna.engine.gateway import Gateway
from puna.engine.journal import Journal
from puna.engine.market import MarketView
from puna.engine.selfcheck_cases import Case, cases, reduction, sound
from puna.engine.storage import MemoryStorage
from puna.errors import ConfigError
from puna.seams import DrivenClock

__all__ = ["Row", "SelfCheck", "selfcheck"]

CLOCK = DrivenClock(0)
NOWHERE = "http://127.0.0.1:9"  # never dialled: the line of the gateway does not run


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one case.

    Args:
        code, name: of the check; empty for what must pass.
        case: what is wrong with the order, in words.
        outcome: "refused", "PASSED" where it must not, "sent" and "REFUSED" of what must pass, "off" where no limit
            switches the check on.
        says: what the check found, or how to switch it on.
        by: the code by which the gateway refused it.
    """

    code: str
    name: str
    case: str
    outcome: str
    says: str = ""
    by: str = ""

    @property
    def good(self) -> bool:
        return not self.outcome.isupper()


class SelfCheck(msgspec.Struct, frozen=True, kw_only=True):
    """The report.

    Args:
        version: of Puna.
        limits: version of the limits that were tested, as `puna reload` names it.
        rows: every check at least once, in the order in which checks are asked.
        passed: every row is as it must be.
    """

    version: str
    limits: str
    rows: list[Row]
    passed: bool


async def selfcheck(limits: RiskLimits) -> SelfCheck:
    """Tests every check under these limits; on any machine, without keys."""
    rows = list[Row]()
    if sound(limits) is None:
        words = "the list of allowed symbols has no stock and no coin: what follows was tried without it"
        rows.append(Row(code="", name="allowed", case=words, outcome="off"))
        limits = replace(limits, allowed=None, denied=())
    made, on = cases(limits), {each.code for each in asked(limits)}
    async with AsyncAlpaca(Credentials.of("selfcheck", "selfcheck"), Endpoints.at(NOWHERE), clock=CLOCK) as alpaca:
        gateway = _Shown(alpaca, Journal(MemoryStorage(), CLOCK), MarketView(), limits, CLOCK)
        try:
            for each in CHECKS:
                mine = [case for case in made if case.code == each.code and each.code in on]
                rows += [await _shown(each, case, gateway) for case in mine] or [_off(each)]
            rows.append(await _passes("a reduction, while all else is forbidden", reduction(limits), gateway))
            rows.append(await _passes("a sound order", sound(limits), gateway))
        finally:
            await gateway.tasks.close()
            gateway.journal.close()
        rows.append(_ceilings(limits, alpaca))
    passed = all(row.good for row in rows)
    return SelfCheck(version=__version__, limits=limits_version(limits), rows=rows, passed=passed)


def _off(each: Check) -> Row:
    needs = ", ".join(f"risk.{name}" for name in each.limits)
    says = f"set {needs}" if needs else "what is allowed here needs no such check"
    return Row(code=each.code, name=each.name, case="", outcome="off", says=says)


async def _shown(each: Check, case: Case, gateway: "_Shown") -> Row:
    """Refused by its own check and by a gateway, or not."""
    breach = each(case.intent, case.view, narrowed(gateway.limits, case.intent))
    by = await gateway.refused(case)
    good = breach is not None and bool(by)
    says = breach.message if breach else "the check let it pass" if by else "nothing refused it"
    outcome = "refused" if good else "PASSED"
    return Row(code=each.code, name=each.name, case=case.words, outcome=outcome, says=says, by=by)


async def _passes(words: str, case: Case | None, gateway: "_Shown") -> Row:
    assert case is not None  # noqa: S101 - there is a sound order, or other limits were taken
    breach, by = check(case.intent, case.view, gateway.limits), await gateway.refused(case)
    says = f"{breach.code} {breach.message}: under these limits nothing can be sent" if breach else ""
    return Row(code="", name="passes", case=words, outcome="REFUSED" if breach or by else "sent", says=says, by=by)


class _Shown(Gateway):
    """A gateway to which the world looks as a case wants it, and whose line nobody works off."""

    shown: RiskView

    def view(self, intent: OrderIntent) -> RiskView:  # noqa: ARG002 - whatever the order is
        return self.shown

    async def refused(self, case: Case) -> str:
        """By which check it refuses; empty when it would send the order, or has not written the refusal down."""
        self.shown, waiting, known = case.view, self.line.waiting, len(self.blotter.refusals)
        breach = self.submit(case.intent)
        await self.noted()
        written = [entry for _, entry in self.journal.read() if isinstance(entry, Refusal)]
        kept = len(written) == known + 1 and written[-1].intent == case.intent
        return breach.code if breach is not None and kept and self.line.waiting == waiting else ""


def _ceilings(limits: RiskLimits, alpaca: AsyncAlpaca) -> Row:
    """What is compiled in for live accounts holds, whatever the configuration says."""
    passed = list[str]()
    for name, most in CEILINGS.items():
        kind = type(getattr(limits, name))
        above = replace(limits, allowed=("AAPL",), **{name: kind(most + 1)})
        try:
            Gateway(alpaca, Journal(MemoryStorage(), CLOCK), MarketView(), above, CLOCK, live=True)
        except ConfigError:
            continue
        passed.append(name)
    words = f"{len(CEILINGS)} limits above the ceilings of a live account, one by one"
    outcome = "PASSED" if passed else "refused"
    return Row(code="E007", name="live_ceilings", case=words, outcome=outcome, says=", ".join(passed), by="E007")
