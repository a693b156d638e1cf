"""What `puna rebalance` does: read targets and account, plan, and carry the plan out through the gateway."""

import tomllib
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from msgspec.structs import replace

from puna.alpaca import mapping
from puna.alpaca.market import get_latest_quotes
from puna.alpaca.trading import get_account, get_clock, get_orders, get_positions
from puna.cli.account import ask
from puna.core.rebalance import Holding, Plan, PlannedTrade, Priced, RebalanceRules, rebalance
from puna.core.sessions import new_york
from puna.core.symbols import asset_class, canonical, is_symbol
from puna.core.types import ZERO, AssetClass, Side, exact
from puna.engine.rebalance import Rebalance, weight
from puna.errors import ConfigError, DataError

if TYPE_CHECKING:
    from puna.alpaca.http import AsyncAlpaca
    from puna.config import Config
    from puna.engine.record import ParentRow, RunRecord
    from puna.engine.trader import Trader

__all__ = ["Outcome", "Preview", "carry_out", "fraction", "look", "weights"]

STALE_SECONDS = 24 * 3600  # of a preview; what is sent is priced anew, and risk wants fresh quotes
_REFUSED_BY_RISK = 6


class Preview(NamedTuple):
    """A plan with what it was made of.

    Attributes:
        targets: weight by symbol.
        holding: stocks and cash now.
        plan: the trades.
        left_alone: what is held and is no stock.
        when: New York time of the broker's clock.
    """

    targets: dict[str, Decimal]
    holding: Holding
    plan: Plan
    left_alone: list[tuple[str, str]]
    when: str

    def rows(self) -> list[dict[str, str]]:
        """A line for each trade."""
        return [self._row(trade) for trade in self.plan.trades]

    def document(self) -> dict[str, Any]:
        """As JSON."""
        plan = self.plan
        return {
            "equity": plan.equity,
            "cash": self.holding.cash,
            "cash_after": plan.cash_after,
            "turnover": plan.turnover,
            "trades": [
                {"symbol": t.symbol, "side": t.side, "qty": t.qty, "price": t.price, "value": t.value}
                for t in plan.trades
            ],
            "left_alone": [{"symbol": s, "reason": r} for s, r in (*plan.skipped, *self.left_alone)],
        }

    def _row(self, trade: PlannedTrade) -> dict[str, str]:
        now = self.holding.positions.get(trade.symbol, ZERO) * trade.price / self.plan.equity
        return {
            "side": str(trade.side),
            "symbol": trade.symbol,
            "qty": f"{trade.qty.normalize():f}",
            "price": f"{trade.price:,.2f}",
            "value": f"{trade.value:,.2f}",
            "now": f"{now:.1%}",
            "target": f"{self.targets.get(trade.symbol, ZERO):.1%}",
        }


class Outcome(NamedTuple):
    """What became of a plan: the run's record and the strategy that carried it out."""

    record: "RunRecord"
    strategy: Rebalance

    @property
    def exit_code(self) -> int:
        """0 when all of it was done, 6 when risk refused a part, else 1."""
        if self.strategy.done and all(row.filled == row.qty for row in self.record.parents):
            return 0
        return _REFUSED_BY_RISK if any("refused" in row.reason for row in self.record.parents) else 1

    def rows(self) -> list[dict[str, str]]:
        """A line for each parent order."""
        return [_parent(row) for row in self.record.parents]

    def lines(self) -> list[str]:
        """What else a person should know."""
        problem = [f"not planned: {self.strategy.problem}"] if self.strategy.problem else []
        unfinished = [] if self.strategy.done else ["it was ended before everything was done"]
        return [*problem, *unfinished]

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "done": self.exit_code == 0,
            "problem": self.strategy.problem,
            "orders": [
                {"id": r.parent_id, "symbol": r.symbol, "side": r.side, "qty": r.qty, "filled": r.filled,
                 "average": r.avg_price, "reason": r.reason}
                for r in self.record.parents
            ],
        }  # fmt: skip


def weights(words: Sequence[str]) -> dict[str, Decimal]:
    """AAPL=40% MSFT=0.3, or one TOML file with such lines, in a table [targets] or without one.

    Raises:
        ConfigError: E042, a word that cannot be understood, or a file that cannot be read.
    """
    pairs = _file(Path(words[0])) if len(words) == 1 and "=" not in words[0] else _pairs(words)
    found: dict[str, Decimal] = {}
    for symbol, given in pairs:
        if not is_symbol(symbol) or asset_class(symbol) is not AssetClass.US_EQUITY:
            raise _unclear(f"{symbol!r} is no stock.", "targets are stocks, in capitals")
        if symbol in found:
            raise _unclear(f"{symbol} has two weights.", "each symbol stands once")
        try:
            found[symbol] = weight(given)
        except ValueError as error:
            raise _unclear(f"The weight of {symbol} cannot be read.", str(error)) from error
    if not found:
        raise _unclear("There are no targets.", "at least one SYMBOL=WEIGHT is needed; AAPL=0 sells everything")
    return found


def fraction(option: str, given: str, *, whole: bool = True) -> Decimal:
    """A part of the whole, 0 to 1 or 0% to 100%; without `whole` any amount from 0 on.

    Raises:
        ConfigError: E042, it is none.
    """
    try:
        value = weight(given)
    except ValueError as error:
        raise _unclear(f"{option} cannot be read.", str(error)) from error
    if not value.is_finite() or value < 0 or (whole and value > 1):
        raise _unclear(f"{option} is {given}.", "it lies between 0 and 100%" if whole else "it is not negative")
    return value


def look(config: "Config", targets: dict[str, Decimal], rules: RebalanceRules) -> Preview:
    """Asks the broker for everything a plan needs, and plans. Nothing is sent.

    Raises:
        PunaError: no broker, no answer, or no plan: a price is missing or too old, a weight is not allowed.
    """

    async def question(alpaca: "AsyncAlpaca") -> Preview:
        now = int((await alpaca(get_clock())).timestamp)
        account = await alpaca(get_account())
        held = {canonical(body.symbol): mapping.position(body) for body in await alpaca(get_positions())}
        stocks = {s: p.qty for s, p in held.items() if asset_class(s) is AssetClass.US_EQUITY}
        others = [(s, f"it is {asset_class(s)}") for s in sorted(held) if s not in stocks]
        names = sorted({*targets, *stocks})
        prices = {}
        for symbol, body in (await alpaca(get_latest_quotes(names, feed=config.data.feed))).items():
            quote = mapping.quote_of(symbol, body, now)
            if quote.usable:
                prices[symbol] = Priced((exact(quote.bid) + exact(quote.ask)) / 2, quote.ts_event)
        resting = [
            (order.symbol, Side(order.side))
            async for order in alpaca(get_orders("open"))
            if order.symbol and order.side
        ]
        holding = Holding(stocks, account.cash or ZERO)
        patient = replace(rules, stale_after=STALE_SECONDS)
        plan = rebalance(targets, holding, prices, now, patient, resting=resting, buying_power=account.buying_power)
        return Preview(targets, holding, plan, others, f"{new_york(now):%Y-%m-%d %H:%M:%S}")

    try:
        return ask(config, question)
    except DataError as error:
        if error.code == "E042":
            remedy = "Give --short, or leave the symbol out." if "shorts" in error.what else error.remedy
            raise ConfigError(error.what, state="Nothing was sent.", remedy=remedy, code="E042") from error
        if not error.remedy:
            error.remedy = "When the market is closed quotes may be old or missing: try again in the core session."
        raise


def carry_out(
    config: "Config", preview: Preview, rules: RebalanceRules, *, style: str, seconds: float, as_json: bool
) -> Outcome:
    """Works the trades through risk and journal like any strategy's, and ends when nothing is left to do."""
    from puna.cli.run_live import run_team

    made = Rebalance()
    made.name = "rebalance"
    made.symbols = sorted({*preview.targets, *preview.holding.positions})
    made.targets, made.rules, made.style, made.seconds = preview.targets, rules, style, seconds
    made.account_wide = True

    def prepare(trader: "Trader") -> None:
        made.on_done = trader.stop

    record, folder = run_team(config, [made], None, resume=False, accept_books=False, as_json=as_json, prepare=prepare)
    if not as_json:
        click.echo(f"\njournal {folder / 'journal.sqlite'}\n")
    return Outcome(record, made)


def _parent(row: "ParentRow") -> dict[str, str]:
    from puna.research.report.quality import of

    cost = of(row, ()).shortfall
    return {
        "side": row.side,
        "symbol": row.symbol,
        "qty": f"{row.qty.normalize():f}",
        "done": f"{row.filled.normalize():f}",
        "average": "-" if row.avg_price is None else f"{row.avg_price:,.4f}",
        "shortfall": "-" if cost is None else f"{cost:,.2f}",
        "because": row.reason,
    }


def _pairs(words: Sequence[str]) -> list[tuple[str, str]]:
    found = []
    for word in words:
        symbol, equals, given = word.partition("=")
        if not equals:
            raise _unclear(f"{word!r} is no target.", "a target is SYMBOL=WEIGHT, such as AAPL=40%")
        found.append((symbol, given))
    return found


def _file(path: Path) -> list[tuple[str, str]]:
    try:
        read = tomllib.loads(path.read_text("utf-8"), parse_float=Decimal)
    except OSError as error:
        raise _unclear(f"{path} cannot be read.", error.strerror or str(error)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _unclear(f"{path} is no TOML.", str(error)) from error
    table = read.get("targets", read)
    if not isinstance(table, dict) or any(isinstance(value, (dict, list, bool, date)) for value in table.values()):
        raise _unclear(f"{path} holds no targets.", 'lines such as AAPL = "40%" are expected')
    return [(str(symbol), str(value)) for symbol, value in table.items()]


def _unclear(what: str, why: str) -> ConfigError:
    return ConfigError(what, why=why, state="Nothing was sent.", remedy="puna rebalance AAPL=40% MSFT=30%", code="E042")
