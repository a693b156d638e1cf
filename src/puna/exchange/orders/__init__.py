"""The life of an order at the venue: taken in, matched, replaced, ended."""
