"""One TOML file, the environment and flags -> one frozen Config."""
