"""Proof of a transfer: what a server holds compared with what was sent, and the certificate."""

from imnm_fhir.fhir.likeness import STATES, Likeness, content_hash, likeness
from imnm_fhir.proof.certificate import (
    certificate_page,
    make_certificate,
    read_certificate,
    write_certificate,
)
from imnm_fhir.proof.shelf import Shelf, key_of, open_shelf
from imnm_fhir.proof.verification import Compared, Verification, verify_files

__all__ = [
    "STATES",
    "Compared",
    "Likeness",
    "Shelf",
    "Verification",
    "certificate_page",
    "content_hash",
    "key_of",
    "likeness",
    "make_certificate",
    "open_shelf",
    "read_certificate",
    "verify_files",
    "write_certificate",
]
