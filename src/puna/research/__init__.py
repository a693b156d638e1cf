"""What is learnt from runs: reports."""
