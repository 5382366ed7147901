"""Moving a cohort to a server so that nothing is lost or doubled: plan, journal, sending, audit."""

from imnm_fhir.transfer.exporting import Choices, transfer
from imnm_fhir.transfer.journal import Entry, Journal, journal_path, open_journal, rebuild
from imnm_fhir.transfer.places import with_places
from imnm_fhir.transfer.tally import Failure, Transferred, TransferStoppedError, Watch

__all__ = [
    "Choices",
    "Entry",
    "Failure",
    "Journal",
    "TransferStoppedError",
    "Transferred",
    "Watch",
    "journal_path",
    "open_journal",
    "rebuild",
    "transfer",
    "with_places",
]
