"""The validation rules: data, read by `imnm_fhir.validation`."""
