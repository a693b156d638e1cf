"""The one door to the native package: its functions, or None where it is not installed or is another version.

`PRESENT` says which; to a type checker the functions are always there.
`PUNA_NATIVE=0` in the environment keeps the door shut: everything then runs on the Python reference.
"""

import os
from typing import TYPE_CHECKING

__all__ = [
    "PRESENT",
    "CrossSectionKernel",
    "FeatureKernel",
    "feature_batch",
    "feature_panel",
    "make_bars",
    "payoff_requirement",
    "read_bars_columns",
    "read_frame",
    "read_packed_frame",
    "read_run",
    "use_bus_reference",
    "use_reference",
]

INTERFACE = 1

PRESENT: bool

if TYPE_CHECKING:
    from puna_native import (
        CrossSectionKernel,
        FeatureKernel,
        feature_batch,
        feature_panel,
        make_bars,
        payoff_requirement,
        read_bars_columns,
        read_frame,
        read_packed_frame,
        read_run,
        use_bus_reference,
        use_reference,
    )
else:
    try:
        import puna_native as _extension
    except ImportError:
        _extension = None
    if os.environ.get("PUNA_NATIVE") == "0" or getattr(_extension, "INTERFACE", None) != INTERFACE:
        _extension = None
    for _name in __all__:
        globals()[_name] = getattr(_extension, _name, None)
    PRESENT = _extension is not None
