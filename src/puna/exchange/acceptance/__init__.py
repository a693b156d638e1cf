"""What the venue accepts, and the exact refusal it answers otherwise: one file a class of instrument."""
