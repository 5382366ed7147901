"""What is known of elements, shapes, terminology and sites: data, read by `imnm_fhir`."""
