"""The command line: one file per command; each parses, calls one library function and prints."""

import sys

try:
    from imnm_fhir.cli.main import main
except KeyboardInterrupt:  # Ctrl-C while the command is still being loaded
    print("\nimnm-fhir: interrupted; nothing was begun", file=sys.stderr)
    sys.exit(130)

__all__ = ["main"]
