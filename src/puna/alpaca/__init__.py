"""The client of Alpaca's REST API and streams."""
