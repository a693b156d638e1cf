"""Many backtests compared: which cells, tried where, kept how, and judged by more than the best one."""
