"""The exchange over WebSockets: what the streams say, to whom, and on the wire."""
