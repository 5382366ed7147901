"""The answer of every reader of a single value that it will not guess."""


class Unreadable(ValueError):
    """A text that cannot be read as what the column should hold.

    `rule` is a short id such as `unreadable-number`; the message says what was expected and what
    to do, and never holds the text itself.
    """

    def __init__(self, rule: str, expected: str) -> None:
        """Keep the rule; `expected` is the message."""
        super().__init__(expected)
        self.rule = rule
