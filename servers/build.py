"""Builds the server and the validator: `python -m servers.build`; tests would do it by themselves."""

import sys

from servers.fhir_server import HAPI
from servers.fhir_validator import VALIDATOR
from servers.java import JavaError, build

if __name__ == "__main__":
    try:
        for program in (HAPI, VALIDATOR):
            build(program)
    except JavaError as error:
        sys.exit(str(error))
