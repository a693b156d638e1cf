"""Where a component lives: its folder, addresses, keys and token, the broker's address, and whose time it is."""

import os
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import zmq

from puna.alpaca.hosts import Credentials, Endpoints
from puna.bus.keys import KeyStore, Role
from puna.bus.sockets import Curve, is_local
from puna.config import Config, Mode
from puna.engine.pacing import PacedClock
from puna.errors import ConfigError
from puna.seams import Clock, Rng, SystemClock, system_rng

__all__ = ["PEERS", "Place", "version_of"]

PEERS: dict[str, tuple[Role, ...]] = {
    "market-data": (),
    "execution": (Role.WATCH,),
    "signals": (Role.WATCH, Role.SIGNALS, Role.INTENTS),
    "risk": (Role.WATCH, Role.RISK),
    "watcher": (Role.WATCH,),
}
"""Who talks on the bus, and what he may do."""

SIM_KEYS = Credentials.of("sim", "sim")


class Place:
    """What a component needs from around it.

    Args:
        config: the configuration.
        name: of the component.
        clock: market time; None takes what the mode asks for.
    """

    def __init__(self, config: Config, name: str, *, clock: Clock | None = None) -> None:
        self.config = config
        self.name = name
        self.folder = config.beside(config.services.folder)
        self.wall = SystemClock()
        self.clock: Clock = clock or self._own_clock()
        self.rng: Rng = system_rng()
        self.keys = KeyStore(self.folder / "keys")
        self.version = version_of(config)

    @cached_property
    def context(self) -> "zmq.Context[Any]":
        """ZeroMQ's, made when it is first needed, and ended by whoever serves."""
        return zmq.Context()

    def prepare(self) -> None:
        """Makes the folder, and the keys and the token if there are none.

        Raises:
            ConfigError: the folder cannot be used.
        """
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.folder.chmod(0o700)
        except OSError as error:
            raise ConfigError(
                f"{self.folder} cannot be the folder of the services.",
                why=error.strerror or str(error),
                state="Nothing was started.",
                remedy="Name another as services.folder.",
                code="E034",
            ) from error
        known = self.keys.peers()
        for name, roles in PEERS.items():
            if name not in known:
                self.keys.create(name, roles)
        if not self._token_file.exists():
            descriptor = os.open(self._token_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(f"{self.rng.getrandbits(192):048x}\n")

    @property
    def token(self) -> str:
        """Who has it may look from afar, and reload."""
        try:
            return self._token_file.read_text().strip()
        except OSError:
            return ""

    @property
    def symbols(self) -> tuple[str, ...]:
        """Everything that a model or strategy of the configuration names."""
        models = {each for section in self.config.model for each in section.symbols}
        return tuple(sorted(models | {each for section in self.config.strategy for each in section.symbols}))

    @property
    def endpoints(self) -> Endpoints:
        """The broker.

        Raises:
            ConfigError: mode sim without an exchange.
        """
        config = self.config
        if config.account.mode is Mode.PAPER:
            return Endpoints.paper(config.data.feed)
        if config.base_url is None:
            raise ConfigError(
                "There is no exchange to talk to.",
                why="mode sim, and ALPACA_BASE_URL is not set",
                state="Nothing was started.",
                remedy="`puna up` starts one; or start `puna exchange` and set ALPACA_BASE_URL to its address.",
                code="E040",
            )
        return Endpoints.at(config.base_url, config.data.feed)

    @property
    def credentials(self) -> Credentials:
        """Of this component: the trading key for execution, a key for data where there is one.

        Raises:
            ConfigError: there are none.
        """
        config = self.config
        if config.keys is not None:
            return Credentials(config.keys.key, config.keys.secret)
        if config.account.mode is Mode.SIM:
            return SIM_KEYS
        raise ConfigError(
            "There are no API keys.",
            state="Nothing was sent.",
            remedy="set ALPACA_API_KEY and ALPACA_SECRET_KEY, or their *_FILE forms; check: puna doctor",
            code="E008",
        )

    @property
    def guarded(self) -> bool:
        """Whether everything is encrypted and every question needs the token."""
        return self.config.services.profile != "dev"

    @property
    def market_bus(self) -> str:
        return self._bus(self.config.services.market_bus_port)

    @property
    def control_bus(self) -> str:
        return self._bus(self.config.services.control_bus_port)

    @property
    def events_bus(self) -> str:
        return self._bus(self.config.services.events_bus_port)

    @property
    def risk_bus(self) -> str:
        return self._bus(self.config.services.risk_bus_port)

    def data_server(self, address: str) -> Curve | None:
        """Keys of a publisher, where the data plane is encrypted."""
        return self.keys.server(self.name) if self._encrypted(address) else None

    def data_client(self, address: str, server: str) -> Curve | None:
        """Keys of a subscriber, where the data plane is encrypted."""
        return self.keys.client(self.name, server) if self._encrypted(address) else None

    def port(self, name: str) -> int:
        """Of health and metrics."""
        return int(getattr(self.config.services, f"{name.replace('-', '_')}_port"))

    @property
    def _token_file(self) -> Path:
        return self.folder / "token"

    def _encrypted(self, address: str) -> bool:
        return self.guarded or not is_local(address)

    def _bus(self, port: int) -> str:
        return f"tcp://{self.config.services.bus}:{port}"

    def _own_clock(self) -> Clock:
        speed = self.config.sim.speed
        if self.config.account.mode is not Mode.SIM:
            return SystemClock()
        return PacedClock(1.0 if isinstance(speed, str) else speed)


def version_of(config: Config) -> str:
    """The first digits of the hash of what a configuration sets; keys and origins do not count."""
    body = {name: getattr(config, name) for name in ("account", "data", "strategy", "model", "risk", "sim", "services")}
    return sha256(msgspec.json.encode(body, order="sorted")).hexdigest()[:12]
