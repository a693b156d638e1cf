"""What people read of a run: verdict, figures, charts and tables, in one page without a network."""
