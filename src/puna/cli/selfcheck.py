"""`puna selfcheck`: every risk check is shown an order that it must refuse, under the limits of a configuration."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from puna.cli.config import load_config
from puna.cli.output import config_option, json_option, print_json, print_next, print_rows, verbose_option

if TYPE_CHECKING:
    from puna.engine.selfcheck import SelfCheck

__all__ = ["selfcheck"]


@click.command
@config_option
@json_option
@verbose_option
def selfcheck(*, config: Path | None, as_json: bool) -> int:
    """Show every risk check an order that it must refuse, under the limits of a configuration, and tell which did.

    Each order goes to its check and to a real gateway with its journal in memory; a sound order and a reduction must
    pass. It needs no keys and no network, and touches no account and no run. Exit code 0 when all is as it must be, 1
    when something passed that must not, or nothing can pass. Keep the output (--json): it names the version of Puna
    and of the limits.
    """
    loaded = load_config(config)
    from puna.engine.selfcheck import selfcheck as tested
    from puna.seams import SystemClock

    report = asyncio.run(tested(loaded.risk))
    at = f"{SystemClock().now() // 1_000_000_000}"
    if as_json:
        path = str(loaded.path) if loaded.path else ""
        print_json({"at": int(at), "config": path, "mode": str(loaded.account.mode), **msgspec.to_builtins(report)})
    else:
        _show(report, loaded.path)
    return 0 if report.passed else 1


def _show(report: "SelfCheck", path: Path | None) -> None:
    print_rows(
        [
            {
                "code": row.code,
                "check": row.name,
                "shown": row.case,
                "": row.outcome,
                "gateway": row.by,
                "says": row.says,
            }
            for row in report.rows
        ]
    )
    bad = [row for row in report.rows if not row.good]
    refused = sum(row.outcome == "refused" for row in report.rows)
    off = sum(row.outcome == "off" for row in report.rows)
    click.echo(
        f"puna {report.version}, limits {report.limits} of {path or 'no file: defaults and environment'}: "
        f"{refused} refused, {off} off, {len(bad)} not as they must be"
    )
    print_next(f"puna explain {bad[0].code or 'R104'}" if bad else "puna config explain risk")
