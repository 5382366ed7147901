"""What FHIR asks of every row, and of every distinct shape."""
