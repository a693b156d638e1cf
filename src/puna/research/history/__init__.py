"""The past on disk: downloaded, stored, verified, and what is missing of it."""
