"""The account beside its orders: activities, corporate actions, expiries, configurations, lists."""
