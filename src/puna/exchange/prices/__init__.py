"""What the venue trades on: seeded and recorded prices of stocks, options and coins, and what is told of them."""
