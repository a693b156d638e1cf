"""`puna rebalance`: from target weights to a plan, and with --execute to the market."""

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from puna.cli.output import config_option, json_option, money, print_json, print_next, print_rows, verbose_option

if TYPE_CHECKING:
    from puna.cli.rebalancing import Preview
    from puna.core.rebalance import RebalanceRules

__all__ = ["rebalance"]

HUNDRED = Decimal(100)


@click.command
@click.argument("targets", nargs=-1, required=True, metavar="TARGETS...")
@click.option("--execute", is_flag=True, help="Send the trades; without it nothing is sent.")
@click.option("--style", type=click.Choice(["patient", "market", "twap"]), default="patient", show_default=True)
@click.option(
    "--seconds", type=click.FloatRange(5), default=300, show_default=True, help="For the sells, and the buys."
)
@click.option("--deploy", default="100%", show_default=True, help="The part of equity that the weights divide.")
@click.option("--band", default="0.5%", show_default=True, help="A weight may be off by this before it is touched.")
@click.option("--smallest", default="1", show_default=True, help="Smaller trades are left alone, in dollars.")
@click.option("--turnover", help="The most that is traded, as a part of equity.  [default: no cap]")
@click.option("--keep", default="0", show_default=True, help="Cash that buys never touch, in dollars.")
@click.option("--fractions", is_flag=True, help="Trade fractions of shares.")
@click.option("--short", is_flag=True, help="Take negative weights.")
@config_option
@json_option
@verbose_option
def rebalance(*, targets: tuple[str, ...], execute: bool, config: Path | None, as_json: bool, **terms: Any) -> int:
    """Plan the trades that bring the account to target weights; --execute sends them.

    TARGETS are words such as AAPL=40% MSFT=0.3, or one TOML file of them. What is held and not named is sold; what the
    weights leave over stays cash. Stocks only: options and coins are left alone and do not count. Sells go first, and
    buys are planned again from what these brought.
    """
    from puna.cli.config import load_config
    from puna.cli.rebalancing import carry_out, look, weights

    wanted, rules = weights(targets), _rules(terms)
    loaded = load_config(config, follow_address=True)
    preview = look(loaded, wanted, rules)
    if not execute:
        if as_json:
            print_json(preview.document())
        else:
            _show(preview)
            print_next(f"puna rebalance {' '.join(targets)} --execute" if preview.plan.trades else "puna positions")
        return 0
    if not as_json:
        _show(preview)
    outcome = carry_out(loaded, preview, rules, style=terms["style"], seconds=terms["seconds"], as_json=as_json)
    if as_json:
        print_json(preview.document() | outcome.document())
    else:
        _tell(outcome.rows())
        for line in outcome.lines():
            click.echo(line)
        print_next("puna positions")
    return outcome.exit_code


def _rules(terms: dict[str, Any]) -> "RebalanceRules":
    from puna.cli.rebalancing import fraction
    from puna.core.rebalance import RebalanceRules

    cap = terms["turnover"]
    return RebalanceRules(
        deployment=fraction("--deploy", terms["deploy"]),
        drift_band=fraction("--band", terms["band"]),
        minimum_trade=fraction("--smallest", terms["smallest"], whole=False),
        lot=Decimal("0.000000001") if terms["fractions"] else Decimal(1),
        turnover_cap=None if cap is None else fraction("--turnover", cap, whole=False),
        cash_buffer=fraction("--keep", terms["keep"], whole=False),
        allow_short=terms["short"],
    )


def _show(preview: "Preview") -> None:
    """The plan as people read it."""
    plan = preview.plan
    click.echo(f"equity {money(plan.equity)}, cash {money(preview.holding.cash)}, prices of {preview.when} New York")
    if plan.trades:
        click.echo()
        _tell(preview.rows())
        click.echo()
        click.echo(f"turnover {plan.turnover * HUNDRED:.1f} % of equity, cash after it {money(plan.cash_after)}")
    else:
        click.echo("nothing to do: the account is at its targets")
    for symbol, reason in (*plan.skipped, *preview.left_alone):
        click.echo(f"left alone: {symbol}, {reason}")


def _tell(rows: list[dict[str, str]]) -> None:
    if rows:
        print_rows(rows, right=frozenset({"qty", "price", "value", "now", "target", "done", "average", "shortfall"}))
