"""The past as a market: the same strategies, gateway, risk and venue as live, on a virtual clock, without the wire."""
