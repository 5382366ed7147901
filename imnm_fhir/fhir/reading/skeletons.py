"""Lines of JSON taken apart in bulk: what is equal in many lines, and the values that stand in it.

A *token* is the inside of a string that is a value, or a number behind a key. A line without its
tokens is its *skeleton*: keys, brackets, true, false, null, and whatever was not told to be a token.
Skeleton and tokens together are the line, byte for byte: nothing is interpreted here. So a line is
JSON exactly where its skeleton, with any text in its places, is JSON and its tokens are well written
(`damaged`).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    Positions = npt.NDArray[np.int64]
    Mask = npt.NDArray[np.bool_]

QUOTE, BACKSLASH, COLON, NEWLINE, SPACE = b'"\\:\n '
LONGEST_NUMBER = 24  # bytes; a longer one stays in the skeleton, where no two lines share it
NUMBER = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$"
ESCAPED = r'^([^"\\]|\\(["\\/bfnrt]|u[0-9A-Fa-f]{4}))*$'


@dataclass(frozen=True)
class Tokens:
    """The lines of a block taken apart.

    `segments` are in turn what stands before a token and the token; each line ends with the token of
    its line end. `first` is each line's first token, `count` how many it has before its end. `number`
    tells numbers from strings.
    """

    segments: "pa.StringArray"
    first: "Positions"
    count: "Positions"
    number: "Mask"
    starts: "Positions"
    ends: "Positions"

    @property
    def line_of(self) -> "Positions":
        """The line of each token."""
        import numpy as np

        return np.repeat(np.arange(len(self.first)), self.count + 1)

    def take(self, tokens: "Positions") -> "pa.StringArray":
        """The text of tokens, as it stands in the line."""
        import pyarrow as pa

        return self.segments.take(pa.array(tokens * 2 + 1))


def take_apart(text: bytes) -> Tokens:
    """The tokens of whole lines of UTF-8, the last of which ends with a line end too."""
    import numpy as np
    import pyarrow as pa

    content = np.frombuffer(text, dtype=np.uint8)
    line_ends = np.flatnonzero(content == NEWLINE)
    opens, closes = _strings(content, line_ends)
    is_key = content[closes + 1] == COLON
    starts_of_numbers, ends_of_numbers = _numbers(content, closes[is_key] + 2)
    starts = np.concatenate([opens[~is_key] + 1, starts_of_numbers, line_ends])
    ends = np.concatenate([closes[~is_key], ends_of_numbers, line_ends + 1])
    number = np.zeros(len(starts), dtype=bool)
    number[len(starts) - len(line_ends) - len(starts_of_numbers) : len(starts) - len(line_ends)] = (
        True
    )
    order = np.argsort(starts, kind="stable")
    starts, ends, number = starts[order], ends[order], number[order]
    offsets = np.zeros(2 * len(starts) + 1, dtype=np.int32)
    offsets[1::2], offsets[2::2] = starts, ends
    segments = pa.StringArray.from_buffers(
        2 * len(starts), pa.py_buffer(offsets), pa.py_buffer(text)
    )
    last = np.searchsorted(starts, line_ends)
    first = np.concatenate([[0], last[:-1] + 1]).astype(np.int64)
    return Tokens(segments, first, last - first, number, starts, ends)


def _strings(
    content: "npt.NDArray[np.uint8]", line_ends: "Positions"
) -> tuple["Positions", "Positions"]:
    """Where strings begin and end; a line in which one does not end has none."""
    import numpy as np

    quotes = np.flatnonzero(content == QUOTE)
    quotes = quotes[~_escaped(content, quotes)]
    before = np.searchsorted(quotes, line_ends)
    count = np.diff(before, prepend=0)
    if (count % 2).any():
        quotes = quotes[np.repeat(count % 2 == 0, count)]
    return quotes[0::2], quotes[1::2]


def _escaped(content: "npt.NDArray[np.uint8]", quotes: "Positions") -> "Mask":
    """Which quotes stand behind an odd number of backslashes."""
    import numpy as np

    escaped: Mask = content[quotes - 1] == BACKSLASH
    behind = np.flatnonzero(escaped)
    distance = 2
    while len(behind):
        at = quotes[behind] - distance
        behind = behind[(at >= 0) & (content[at] == BACKSLASH)]
        escaped[behind] = ~escaped[behind]
        distance += 1
    return escaped


def _numbers(
    content: "npt.NDArray[np.uint8]", places: "Positions"
) -> tuple["Positions", "Positions"]:
    """Where numbers begin and end that stand at `places`, perhaps behind one blank."""
    import numpy as np

    of_numbers = np.zeros(256, dtype=bool)
    of_numbers[list(b"0123456789+-.eE")] = True
    begins = np.zeros(256, dtype=bool)
    begins[list(b"0123456789-")] = True
    last = len(content) - 1
    places = np.minimum(places, last)
    places = np.where(content[places] == SPACE, np.minimum(places + 1, last), places)
    places = places[begins[content[places]]]
    window = np.minimum(places[:, None] + np.arange(LONGEST_NUMBER), last)
    inside = of_numbers[content[window]]
    length = np.argmin(inside, axis=1) if len(places) else places
    fits = length > 0
    return places[fits], places[fits] + length[fits]


def damaged(text: bytes, tokens: Tokens) -> "Mask":
    """Which lines have a token that JSON does not allow: a bad escape, a control character, a number."""
    import numpy as np

    bad = np.zeros(len(tokens.first), dtype=bool)
    content = np.frombuffer(text, dtype=np.uint8)
    numbers = np.flatnonzero(tokens.number)
    for which, form in ((numbers, NUMBER), (_holding(content == BACKSLASH, tokens), ESCAPED)):
        if len(which):
            wrong = which[~_fits(tokens.take(which), form)]
            bad[np.searchsorted(tokens.first, wrong, side="right") - 1] = True
    control = _holding((content < SPACE) & (content != NEWLINE), tokens)
    bad[np.searchsorted(tokens.first, control, side="right") - 1] = True
    return bad


def _holding(which: "Mask", tokens: Tokens) -> "Positions":
    """The tokens that hold one of some bytes."""
    import numpy as np

    places = np.flatnonzero(which)
    if not len(places):
        return places
    found = np.searchsorted(tokens.starts, places, side="right") - 1
    inside = (found >= 0) & (places < tokens.ends[found])
    return np.unique(found[inside])


def _fits(values: "pa.StringArray", form: str) -> "Mask":
    import pyarrow.compute as pc

    return as_mask(pc.match_substring_regex(values, form))


def as_mask(values: Any) -> "Mask":
    """Arrow booleans as numpy's, null as false."""
    import numpy as np

    found: Mask = np.asarray(values.fill_null(False).to_numpy(zero_copy_only=False), dtype=bool)
    return found


def joined(tokens: Tokens, kept: "Mask") -> "pa.StringArray":
    """Each line without the tokens that are not `kept`."""
    import numpy as np
    import pyarrow as pa

    chosen = np.ones(2 * len(kept), dtype=bool)
    chosen[1::2] = kept
    left = tokens.segments.filter(pa.array(chosen))
    # Up to the segment of each line end's own token, which is never kept.
    before = np.concatenate([[0], np.cumsum(chosen)])
    bounds = before[2 * np.append(tokens.first, len(kept))]
    offsets = np.frombuffer(left.buffers()[1], dtype=np.int32)[bounds + left.offset]
    return pa.StringArray.from_buffers(
        len(tokens.first), pa.py_buffer(np.ascontiguousarray(offsets)), left.buffers()[2]
    )
