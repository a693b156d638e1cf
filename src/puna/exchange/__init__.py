"""An Alpaca-compatible venue on this machine: any Alpaca client can trade here, offline."""
