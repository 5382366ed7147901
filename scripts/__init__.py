"""What the Makefile calls; not installed."""
