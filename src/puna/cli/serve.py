"""`puna serve NAME`, `puna reload`: one component of the services; a changed configuration."""

import asyncio
import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib import error as url_error
from urllib import request as url_request
from urllib.parse import urlencode

import click

from puna.cli.config import load_config
from puna.cli.output import config_option, json_option, print_json, print_next, user_name, verbose_option
from puna.errors import ConfigError

if TYPE_CHECKING:
    from puna.config import Config
    from puna.services.place import Place
    from puna.services.serve import Component

__all__ = ["reload", "serve"]

NAMES = ("market-data", "signals", "execution", "risk")


@click.command
@click.argument("name", type=click.Choice(NAMES))
@config_option
@click.option("--log-level", default="INFO", type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"]))
@json_option
@verbose_option
def serve(*, name: str, config: Path | None, log_level: str, as_json: bool) -> int:
    """Run one component of the services: market-data, signals, execution or risk."""
    loaded = load_config(config)
    from puna.services.logs import configure

    configure(name, level=log_level)
    asyncio.run(_serve(name, loaded, config))
    if as_json:
        print_json({"ended": name})
    return 0


async def _serve(name: str, config: "Config", path: Path | None) -> None:
    from puna.services.place import Place
    from puna.services.serve import serve as served

    place = Place(config, name)
    place.prepare()
    await served(_component(place, path))


def _component(place: "Place", path: Path | None) -> "Component":
    """The component of a name; only what it needs is imported."""
    if place.name == "market-data":
        from puna.services.market_data import MarketData

        return MarketData(place)
    if place.name == "signals":
        from puna.services.signals import Signals

        return Signals(place)
    if place.name == "risk":
        from puna.services.risk import Risk

        return Risk(place, partial(load_config, path))
    from puna.cli.strategies import strategies
    from puna.services.execution import Execution

    return Execution(place, strategies(place.config) if place.config.strategy else ())


@click.command
@config_option
@click.option("--confirm", metavar="VERSION", help="Let looser limits of this version apply.")
@click.option("--by", metavar="NAME", help="Who confirms them; risk's log holds it.  [default: the user of this shell]")
@json_option
@verbose_option
def reload(*, config: Path | None, confirm: str | None, by: str | None, as_json: bool) -> int:
    """Let the risk process read the configuration anew; looser limits wait for --confirm."""
    loaded = load_config(config)
    services = loaded.services
    token = (loaded.beside(services.folder) / "token").read_text().strip()
    host = "127.0.0.1" if services.host in ("0.0.0.0", "::") else services.host  # noqa: S104
    query = f"?{urlencode({'confirm': confirm, 'by': by or user_name()})}" if confirm else ""
    asked = url_request.Request(f"http://{host}:{services.risk_port}/reload{query}", method="POST")
    asked.add_header("Authorization", f"Bearer {token}")
    try:
        with url_request.urlopen(asked, timeout=5) as answer:  # noqa: S310 - our own risk process
            said = json.loads(answer.read())
    except url_error.HTTPError as error:
        said = json.loads(error.read())
    except OSError as error:
        raise ConfigError(
            "The risk process does not answer.",
            why=str(error),
            state="The limits in force stay.",
            remedy="puna up, or puna serve risk",
            code="E707",
        ) from error
    if as_json:
        print_json(said)
    elif said.get("error"):
        click.echo(said["error"], err=True)
    else:
        click.echo(f"limits {said['version']} are in force")
        if said["looser"]:
            click.echo(f"looser limits wait: {'; '.join(said['changes'])}")
            print_next(f"puna reload --confirm {said['waiting']}")
    return 1 if said.get("error") else 0
