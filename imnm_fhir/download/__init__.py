"""Reading a server whole: what is wanted, by which way, and whether all of it came."""

from imnm_fhir.download.method import METHODS, Method
from imnm_fhir.download.others import unread_types
from imnm_fhir.download.run import Downloaded, How, conclude, download, open_download
from imnm_fhir.download.selection import Listed, Wanted, read_list

__all__ = [
    "METHODS",
    "Downloaded",
    "How",
    "Listed",
    "Method",
    "Wanted",
    "conclude",
    "download",
    "open_download",
    "read_list",
    "unread_types",
]
