"""One TOML file, the environment and flags -> one frozen Config that knows where each value came from."""

from puna.config.environment import Keys, Mode
from puna.config.load import load
from puna.config.model import (
    AccountSection,
    AlertsSection,
    Config,
    DataSection,
    JournalSection,
    ModelSection,
    ServerSection,
    ServicesSection,
    SimSection,
    SleevesSection,
    StrategySection,
)
from puna.config.secret import Secret
from puna.core.risk import RiskLimits

__all__ = [
    "AccountSection",
    "AlertsSection",
    "Config",
    "DataSection",
    "JournalSection",
    "Keys",
    "Mode",
    "ModelSection",
    "RiskLimits",
    "Secret",
    "ServerSection",
    "ServicesSection",
    "SimSection",
    "SleevesSection",
    "StrategySection",
    "load",
]
