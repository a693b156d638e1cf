"""The feature computer: the same twelve numbers, bit for bit, from one bar at a time or from ten years.

Four faces of the same recurrences: `FeatureComputer.update` takes one bar of one symbol, `.batch` a symbol's series,
`.panel` many symbols over the same times, and `CrossSection.update` one bar of each of many symbols. All agree to the
last bit. They are written in `puna.core.feature_reference`; where the native package is installed, its kernels
(`puna.core.feature_kernels`) stand in their place, with the same bits and the same errors (architecture, principle 9).

Definitions: requirements C. Where they differ from TA-Lib on purpose:
- RSI of a flat series is 50 (TA-Lib: 0).
- Each EMA is seeded with the mean of its own first n values; TA-Lib starts both averages of the MACD at the slow one's
  seed, so the two agree only after the seeds have faded (1e-6 after some 250 bars).
- `range_pct` and `dist_from_sma` are percentages, `spread` is in basis points.
"""

from typing import TYPE_CHECKING

from puna import native
from puna.core.feature_schema import (
    FEATURES,
    SCHEMA_VERSION,
    BadBarError,
    FeatureParameters,
    FeatureSchema,
    Snapshot,
    check_bar,
)

if TYPE_CHECKING or native.FeatureKernel is None:
    from puna.core.feature_reference import CrossSection, FeatureComputer
else:
    from puna.core.feature_kernels import CrossSection, FeatureComputer

__all__ = [
    "FEATURES",
    "SCHEMA_VERSION",
    "BadBarError",
    "CrossSection",
    "FeatureComputer",
    "FeatureParameters",
    "FeatureSchema",
    "Snapshot",
    "check_bar",
]
