"""`puna check`: whether a backtest of a strategy can be believed, and whether it could trade at all. Four questions.

    look-ahead       do decisions stay the same when the future is cut away?
    warm-up          do they stay the same when the run begins later, with the declared warm-up only?
    determinism      do they stay the same when nothing changes but the process, the order of sets, the wall clock?
    order validity   does the broker take the orders?

Each is answered by running the strategies over bars, more than once. What is found is told with the first place where
it shows, what was decided there in either run, and what to do.
"""

from collections.abc import Callable

from puna.research.checks.ahead import look_ahead
from puna.research.checks.case import Case, Verdict
from puna.research.checks.elsewhere import Elsewhere
from puna.research.checks.orders import order_validity
from puna.research.checks.same import determinism
from puna.research.checks.warmup import warm_up

__all__ = ["check"]


def check(
    case: Case, elsewhere: Elsewhere | None = None, tell: Callable[[str], None] = lambda _: None
) -> list[Verdict]:
    """Answers all four questions.

    Determinism is asked first: where decisions change by themselves, a change means nothing, and look-ahead and warm-up
    cannot be told from chance.

    Args:
        case: strategies and bars.
        elsewhere: runs the same in fresh processes; without, files and the order of sets are not looked at.
        tell: hears what is being done.
    """
    tell("the whole run")
    orders = order_validity(case)
    same = determinism(case, elsewhere, tell)
    if same.outcome == "found":
        why = "Its decisions change by themselves; correct that first."
        return [Verdict("look-ahead", "not checked", why), Verdict("warm-up", "not checked", why), same, orders]
    return [look_ahead(case, elsewhere, tell), warm_up(case, tell), same, orders]
