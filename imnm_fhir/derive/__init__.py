"""Cases: one row per patient, every derived variable, made from the five tables."""
