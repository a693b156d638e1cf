"""The exchange over HTTP: the routes of trading and of market data."""
