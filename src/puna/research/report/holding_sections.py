"""What is held at the end, in the report: margin, Greeks, payoff, scenarios, and how each option ends."""

from puna.engine.holdings import HoldingRow
from puna.engine.record import RunRecord
from puna.research.report.formats import DASH, dollars, percent, quantity, signed, wall
from puna.research.report.markup import Child, Html, join, tag
from puna.research.report.sections import table

__all__ = ["held"]

_GREEKS = ("delta", "gamma", "theta", "vega", "rho")


def held(record: RunRecord) -> Html | None:
    """A part for each underlying; None when nothing is held."""
    return join(_underlying(row) for row in record.holdings) if record.holdings else None


def _underlying(row: HoldingRow) -> Html:
    price = "no usable quote" if row.spot is None else f"at {dollars(row.spot)}"
    parts: list[Html | None] = [tag("h3", f"{row.underlying} {price}"), _lines(row), _sentences(row)]
    if row.lines:
        parts += [_payoff(row), _scenarios(row), _ends(row)]
    return join(part for part in parts if part is not None)


def _lines(row: HoldingRow) -> Html:
    head = ("Held", "Quantity", "Cost", "Value", "Volatility", *(name.capitalize() for name in _GREEKS))
    rows: list[tuple[Child, ...]] = [
        (
            line.symbol,
            quantity(line.qty),
            dollars(line.cost),
            DASH if line.value is None else dollars(line.value),
            DASH if line.volatility is None else percent(line.volatility, 1),
            *_cells(line.greeks),
        )
        for line in row.lines
    ]
    if row.shares:
        value = DASH if row.spot is None else dollars(row.shares * row.spot)
        own = dict.fromkeys(_GREEKS, 0.0) | {"delta": float(row.shares)}
        rows.append(("shares", quantity(row.shares), dollars(row.shares_cost), value, DASH, *_cells(own)))
    foot = ("all", "", "", "", "", *_cells(row.greeks)) if row.lines else ()
    return table(head, rows, numbers=range(1, len(head)), foot=foot)


def _cells(greeks: dict[str, float]) -> list[str]:
    return [signed(greeks[name]) if name in greeks else DASH for name in _GREEKS]


def _sentences(row: HoldingRow) -> Html:
    told = [] if row.lines == [] else [
        "The options' risk is unlimited." if row.margin is None else f"Margin of the options {dollars(row.margin)} USD."
    ]  # fmt: skip
    if row.shares and row.shares_margin is not None:
        told.append(f"Maintenance of the shares {dollars(row.shares_margin)} USD.")
    told += [f"Not known: {text}." for text in row.missing]
    told += [f"Early assignment of {text}." for text in row.warnings]
    return tag("p", " ".join(told), class_="note")


def _payoff(row: HoldingRow) -> Html:
    rows = [(dollars(point.price), signed(point.profit)) for point in row.payoff]
    return join(
        (
            tag("h4", f"Profit when all options have ended with {row.underlying} at a price; straight lines between"),
            table(("Price", "Profit, USD"), rows, numbers=(0, 1)),
        )
    )


def _scenarios(row: HoldingRow) -> Html | None:
    if not row.grid:
        return None
    head = ("After days", "Volatility", *(f"{move:+.0%}" for move in row.moves))
    rows = [
        (f"{day:.0f}", f"{shift * 100:+.0f} points", *(signed(value, 0) for value in line))
        for day, block in zip(row.days, row.grid, strict=True)
        for shift, line in zip(row.shifts, block, strict=True)
    ]
    title = tag("h4", "Profit against now, USD, by move of the price, shift of the volatility, and days")
    return join((title, table(head, rows, numbers=range(len(head)))))


def _ends(row: HoldingRow) -> Html:
    rows = [
        (
            end.symbol,
            wall(end.closes, "%-d %b %Y %H:%M"),
            str(end.days_left),
            end.outcome,
            f"{end.shares:+,d}" if end.shares else DASH,
            signed(end.cash) if end.shares else DASH,
        )
        for end in row.ends
    ]
    head = ("Option", "Trades until", "Days", "With the price where it is", "Shares", "Cash, USD")
    return table(head, rows, numbers=(2, 4, 5))
