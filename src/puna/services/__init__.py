"""The system as four processes on the bus: market data, signals, execution, risk; each with health and metrics."""
