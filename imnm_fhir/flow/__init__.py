"""The road from one place to the next: what each command does with files, folders and servers.

Every function reads from one place, calls the room that does the work, and writes to another.
"""

from typing import TYPE_CHECKING

from imnm_fhir.later import later

if TYPE_CHECKING:
    from imnm_fhir.flow.asking import (
        audit_table,
        list_queries,
        log_of,
        repair_log,
        sign_delivery,
        take_answers,
    )
    from imnm_fhir.flow.examining import examine
    from imnm_fhir.flow.exporting import Exported, export
    from imnm_fhir.flow.following import follow
    from imnm_fhir.flow.gate import Gate, Leaving, pass_gate
    from imnm_fhir.flow.harmonising import harmonise_files
    from imnm_fhir.flow.importing import FromServer, Imported, import_fhir
    from imnm_fhir.flow.packets import make_packet, open_packet, type_question
    from imnm_fhir.flow.places import is_url
    from imnm_fhir.flow.pooling import pool_folders, table1_of
    from imnm_fhir.flow.verifying import Verified, verify
    from imnm_fhir.flow.withdrawing import Withdrawn, tell_apart, withdraw

__all__ = [
    "Exported",
    "FromServer",
    "Gate",
    "Imported",
    "Leaving",
    "Verified",
    "Withdrawn",
    "audit_table",
    "examine",
    "export",
    "follow",
    "harmonise_files",
    "import_fhir",
    "is_url",
    "list_queries",
    "log_of",
    "make_packet",
    "open_packet",
    "pass_gate",
    "pool_folders",
    "repair_log",
    "sign_delivery",
    "table1_of",
    "take_answers",
    "tell_apart",
    "type_question",
    "verify",
    "withdraw",
]

__getattr__ = later(
    __name__,
    {
        "asking": (
            "audit_table",
            "list_queries",
            "log_of",
            "repair_log",
            "sign_delivery",
            "take_answers",
        ),
        "examining": ("examine",),
        "exporting": (
            "Exported",
            "export",
        ),
        "following": ("follow",),
        "gate": (
            "Gate",
            "Leaving",
            "pass_gate",
        ),
        "harmonising": ("harmonise_files",),
        "importing": (
            "FromServer",
            "Imported",
            "import_fhir",
        ),
        "packets": (
            "make_packet",
            "open_packet",
            "type_question",
        ),
        "places": ("is_url",),
        "pooling": (
            "pool_folders",
            "table1_of",
        ),
        "verifying": (
            "Verified",
            "verify",
        ),
        "withdrawing": (
            "Withdrawn",
            "tell_apart",
            "withdraw",
        ),
    },
)
