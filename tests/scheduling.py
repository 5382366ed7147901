"""How `pytest -n 2` shares the tests out: a file at a time, and all that needs the FHIR server to one worker."""

from xdist.scheduler import LoadFileScheduling

AT_SERVER = "tests/integration/"


class FilesAndServer(LoadFileScheduling):  # type: ignore[misc]
    """Whole files, so that what a file has made once serves all its tests; one server for a run."""

    def _split_scope(self, nodeid: str) -> str:
        return AT_SERVER if nodeid.startswith(AT_SERVER) else super()._split_scope(nodeid)
