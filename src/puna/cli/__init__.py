"""The `puna` command: one file a verb family, heavy imports inside the verbs."""
