"""What every test shares: a Hypothesis profile without wall-clock deadlines, because CI machines are slow at times."""

from hypothesis import HealthCheck, settings

settings.register_profile("puna", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("puna")
