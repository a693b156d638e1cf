"""Whether a strategy can be believed: look-ahead, warm-up, determinism, orders; and a run beside its replay."""
