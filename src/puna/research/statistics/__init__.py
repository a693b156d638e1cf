"""What a track of days amounts to, and how much of it is luck: pure functions of returns and records."""
