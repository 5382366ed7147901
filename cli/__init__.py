"""The command line: one file per command; each parses, calls one library function and prints."""

from imnm_fhir.cli.main import main

__all__ = ["main"]
