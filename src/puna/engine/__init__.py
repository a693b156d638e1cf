"""What makes it a trading system: strategy, journal, gateway, reconciliation, trader."""
