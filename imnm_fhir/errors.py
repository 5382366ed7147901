"""The errors a user can cause, each with the exit code of the command that meets it.

Every message says where, what, and what to do, in one line, and never holds a patient's value.
Anything that is not an `ImnmFhirError` is a bug and shows its traceback (exit code 70).
"""


class ImnmFhirError(Exception):
    """Bad input: a file, mapping or option that cannot be used as it is. Exit code 3."""

    exit_code = 3


class UsageError(ImnmFhirError):
    """The command was called wrongly. Exit code 2."""

    exit_code = 2


class FindingsError(ImnmFhirError):
    """The data have findings that stop this step, such as a validation that failed. Exit code 1."""

    exit_code = 1


class ServerError(ImnmFhirError):
    """A FHIR server or the network refused or failed. Exit code 4."""

    exit_code = 4


class Problems(ImnmFhirError):
    """Several problems of one kind, found together and reported together, one line each."""

    def __init__(self, headline: str, problems: list[str]) -> None:
        """Keep `headline` and the single `problems`; the message is all of them, a line each."""
        super().__init__("\n".join([headline, *(f"  {problem}" for problem in problems)]))
        self.headline = headline
        self.problems = problems
