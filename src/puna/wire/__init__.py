"""Alpaca's words and nothing else: the shapes of its REST bodies and stream messages, and how they are read."""
