"""A profit at expiration in the terminal: a line of dots around zero, and where it crosses it."""

from collections.abc import Callable, Sequence
from decimal import Decimal

import click

from puna.cli.output import money

__all__ = ["break_evens", "draw"]

WIDTH, HEIGHT = 61, 13

Profit = Callable[[Decimal], Decimal]
"""Dollars at a price of the underlying; a straight line between two strikes."""


def break_evens(strikes: Sequence[Decimal], profit: Profit) -> list[Decimal]:
    """Prices of the underlying at which the profit changes its sign, to the cent; `strikes` in their order."""
    points = [Decimal(0), *strikes, strikes[-1] * 2 + 1000]
    values = [profit(point) for point in points]
    found = []
    for at in range(len(points) - 1):
        (x0, x1), (y0, y1) = points[at : at + 2], values[at : at + 2]
        if y0 * y1 < 0:
            found.append((x0 - y0 * (x1 - x0) / (y1 - y0)).quantize(Decimal("0.01")))
        elif y0 == 0 and x0 > 0:
            found.append(x0)
    return found


def draw(strikes: Sequence[Decimal], profit: Profit) -> None:
    """The line, a tenth of the price beyond the strikes at least; `strikes` in their order."""
    room = max(strikes[-1] - strikes[0], strikes[0] / 10)
    low, high = max(Decimal(0), strikes[0] - room), strikes[-1] + room
    xs = [low + (high - low) * n / (WIDTH - 1) for n in range(WIDTH)]
    ys = [profit(x) for x in xs]
    top, bottom = max(*ys, Decimal(0)), min(*ys, Decimal(0))
    step = (top - bottom) / (HEIGHT - 1) or Decimal(1)
    rows = [int(((top - y) / step).to_integral_value()) for y in ys]
    zero = int((top / step).to_integral_value())
    for row in range(HEIGHT):
        mark = {zero: "0", HEIGHT - 1: money(bottom), 0: money(top)}.get(row, "")
        line = "".join("●" if at == row else "─" if row == zero else " " for at in rows)
        click.echo(f"{mark:>12} │{line}")
    click.echo(f"{'':>12}  {f'{low:.2f}':<{WIDTH // 2}}{f'{high:.2f}':>{WIDTH - WIDTH // 2}}")
