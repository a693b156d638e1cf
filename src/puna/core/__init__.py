"""Puna's rules as functions of their arguments: no clock, socket, log, randomness or async in here."""
