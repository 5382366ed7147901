"""`python -m imnm_fhir.cli`: the command, for machines whose search path lacks the scripts' folder."""

from imnm_fhir.cli.main import main

main()
