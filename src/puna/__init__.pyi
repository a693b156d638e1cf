# The public names with their types, for type checkers; at run time `__getattr__` loads them.
from puna.engine.strategy import Strategy as Strategy

__version__: str
