"""A real FHIR server and the HL7 validator, built from Maven and run for tests; not installed."""
