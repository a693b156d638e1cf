"""Trains a signal model on minutes of the embedded exchange, says what it is worth, and saves it for model_strategy.py.

    python examples/model_training.py FOLDER    no account, no keys, no network

Against paper only `history` changes: other credentials and endpoints, and more days.
"""

import sys
from pathlib import Path

from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from puna.alpaca import mapping
from puna.alpaca.hosts import Credentials, Endpoints
from puna.alpaca.http import Alpaca
from puna.alpaca.market import get_bars
from puna.alpaca.trading import get_clock
from puna.core.features import FeatureSchema
from puna.core.types import Bar
from puna.engine.models import SavedModel, feature_table, fit, look_ahead, samples, save, walk_forward
from puna.exchange.server import ExchangeConfig, ExchangeThread

__all__ = ["EXCHANGE", "SCHEMA", "history", "main"]

DAY = 86_400_000_000_000
HALF_AN_HOUR = 1_800_000_000_000
EXCHANGE = ExchangeConfig(symbols=("AAPL", "MSFT"), seed=7)
# Numbers that mean the same at any price: a model of raw closes learns the price level and nothing else.
SCHEMA = FeatureSchema(names=("rsi", "spread", "dist_from_sma", "range_pct"))


def history(exchange: ExchangeConfig, days: int = 10) -> list[Bar]:
    """The minutes of the last days before the exchange's day opens, as the data API tells them."""
    with ExchangeThread(exchange) as server, Alpaca(Credentials.of("any", "key"), Endpoints.at(server.url)) as alpaca:
        now = int(alpaca(get_clock()).timestamp)
        call = get_bars(exchange.symbols or (), "1Min", now - days * DAY, now, adjustment="split")
        return [mapping.bar_of(symbol, body, now) for symbol, body in alpaca(call)]


def main(folder: Path) -> SavedModel:
    """Checks the features, trains, judges and saves."""
    bars = history(EXCHANGE)
    apple = [bar for bar in bars if bar.symbol == "AAPL"]
    for finding in look_ahead(lambda known: feature_table(known, SCHEMA), apple, SCHEMA.names):
        raise SystemExit(str(finding))
    rows = samples(bars, timeframe="1Min", horizon=5, schema=SCHEMA)
    estimator = make_pipeline(StandardScaler(), LogisticRegression())
    print(walk_forward(rows, lambda past: fit(estimator, past), embargo=HALF_AN_HOUR).text())
    saved = save(fit(estimator, rows), folder, rows, source=f"embedded exchange, seed {EXCHANGE.seed}, split-adjusted")
    print(f"saved as {folder}: model {saved.id[:12]}, {len(rows)} rows of {', '.join(rows.symbols)}")
    return saved


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "models/minutes"))
