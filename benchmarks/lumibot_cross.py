"""Lumibot's backtest of the EMA cross, for benchmarks/lumibot.py: in Lumibot's own environment, without Puna.

`python -P lumibot_cross.py BARS.npz` prints one line of JSON: iterations, orders, CPU time in ns.
"""

import json
import os
import sys
import time
from typing import Any

QUIET = {
    "IS_BACKTESTING": "True",
    "BACKTESTING_QUIET_LOGS": "true",
    "BACKTESTING_SHOW_PROGRESS_BAR": "false",
    "LOG_BACKTEST_PROGRESS_TO_FILE": "false",
}
FAST, SLOW = 2 / 13, 2 / 49
LOTS = 100


def main(path: str) -> None:
    """One backtest of the bars in a file: arrays `time` (ns), `open`, `high`, `low`, `close`, `volume`."""
    os.environ.update(QUIET)  # read while lumibot is imported
    import numpy as np  # noqa: PLC0415 - after the environment
    import pandas as pd  # noqa: PLC0415
    from lumibot.backtesting import PandasDataBacktesting  # type: ignore[import-not-found]  # noqa: PLC0415
    from lumibot.entities import Asset, Data  # type: ignore[import-not-found]  # noqa: PLC0415
    from lumibot.strategies import Strategy  # type: ignore[import-not-found]  # noqa: PLC0415

    class Cross(Strategy):  # type: ignore[misc]  # lumibot is in another environment
        def initialize(self) -> None:
            self.sleeptime = "1M"
            self.fast = self.slow = 0.0
            self.above = False
            self.iterations = self.orders = 0
            self.asset = Asset("AAPL")

        def on_trading_iteration(self) -> None:
            self.iterations += 1
            bars = self.get_historical_prices(self.asset, 1, "minute")
            if bars is None or not len(bars.df):
                return
            close = float(bars.df["close"].iloc[-1])
            if not self.fast:
                self.fast = self.slow = close
                return
            self.fast += (close - self.fast) * FAST
            self.slow += (close - self.slow) * SLOW
            if (above := self.fast > self.slow) is not self.above:
                self.above = above
                self.orders += 1
                self.submit_order(self.create_order(self.asset, LOTS, "buy" if above else "sell"))

    with np.load(path) as bars:
        index = pd.to_datetime(bars["time"], utc=True).tz_convert("America/New_York")
        frame = pd.DataFrame({name: bars[name] for name in ("open", "high", "low", "close", "volume")}, index=index)
    asset = Asset("AAPL")
    wanted: dict[str, Any] = {
        "pandas_data": {asset: Data(asset, frame, timestep="minute")},
        "budget": 100_000,
        "risk_free_rate": 0.0,
        "benchmark_asset": None,
        "save_stats_file": None,
        **dict.fromkeys(
            ("analyze_backtest", "show_plot", "show_tearsheet", "save_tearsheet", "save_logfile", "show_indicators",
             "show_progress_bar"),
            False,
        ),
        "quiet_logs": True,
    }  # fmt: skip
    began = time.process_time_ns()
    first, last = index[0].to_pydatetime(), index[-1].to_pydatetime()
    _, strategy = Cross.run_backtest(PandasDataBacktesting, first, last, **wanted)
    spent = time.process_time_ns() - began
    print(json.dumps({"iterations": strategy.iterations, "orders": strategy.orders, "ns": spent}))


if __name__ == "__main__":
    main(sys.argv[1])
