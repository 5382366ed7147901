"""Harmonise, validate, exchange as FHIR R4 and pool cohorts of immune-mediated necrotizing myopathy.

The verbs of the command line are functions of `imnm_fhir.api`.
"""
