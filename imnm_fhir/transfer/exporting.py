"""From NDJSON to a server: look, plan, send wave by wave, and say what became of everything."""

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic

from imnm_fhir.errors import ServerError, UsageError
from imnm_fhir.owner import temporary_folder
from imnm_fhir.server.capabilities import Capabilities, read_capabilities
from imnm_fhir.server.request.connection import Connection
from imnm_fhir.transfer.audit import Audit
from imnm_fhir.transfer.delivery import (
    CREATE_IT,
    HELD_IT,
    RETRY_IT,
    UNCHANGED,
    UPDATE_IT,
    Delivery,
    Item,
    read_delivery,
)
from imnm_fhir.transfer.journal import Journal, open_journal, read_journal
from imnm_fhir.transfer.looking import Tags, look
from imnm_fhir.transfer.plans import Choice, ladder
from imnm_fhir.transfer.removal import withdraw
from imnm_fhir.transfer.sending import Sender
from imnm_fhir.transfer.sizes import LARGEST, BundleSize
from imnm_fhir.transfer.tally import (
    CREATED,
    KEPT,
    NOT_SENT,
    REMOVED,
    UPDATED,
    Tally,
    Transferred,
    TransferStoppedError,
    Watch,
)
from imnm_fhir.transfer.together import send_together

_WAVES = 4
Send = Callable[[Sequence[Item]], list[Item]]


@dataclass(frozen=True)
class Choices:
    """What a user chooses of an export to a server.

    `bundle_size`: resources in one request at most. `connections`: requests at the same time.
    `dry_run`: only say what would be done. `verify`: look up unchanged resources, too. `overwrite`:
    replace what somebody else changed. `withdraw_missing`: remove what this delivery lacks.
    `all_or_nothing`: one transaction. `wait`: seconds to wait for another export. `journal`: the
    folder of the journals, beside the cohort by default.
    """

    bundle_size: int = 100
    connections: int = 2
    dry_run: bool = False
    verify: bool = False
    overwrite: bool = False
    withdraw_missing: bool = False
    all_or_nothing: bool = False
    wait: float = 0
    journal: Path | None = None


def transfer(
    connection: Connection,
    files: Mapping[str, Path],
    cohort: Path,
    choices: Choices | None = None,
    *,
    tags: Tags = (),
    partial: bool = False,
    watch: Watch | None = None,
) -> Transferred:
    """Return what became of the resources in `files`, one NDJSON file for each type.

    `cohort` is the folder (or first file) that the journal stands beside, `tags` (system, code) are
    those that every resource carries: by them the server counts what it holds. `partial` deliveries
    lack what did not change, so that nothing of them is missing.

    Raises TransferStoppedError when the server or the network fails for good, and ImnmFhirError for
    a line that is no resource (nothing is sent then) or a journal that cannot be used.
    """
    chosen = choices or Choices()
    began = monotonic()
    with read_delivery(files) as delivery, _journal(connection, cohort, chosen) as journal:
        delivery.compare(journal.path)
        _check_sites(journal, tags, chosen)
        sender, notes = _prepare(connection, journal, delivery, chosen, watch)
        missing = [] if partial else delivery.missing(journal.path)
        transferred = _Run(sender, delivery, chosen, missing, notes, began)
        return transferred.run(tags)


@contextmanager
def _journal(connection: Connection, cohort: Path, choices: Choices) -> Iterator[Journal]:
    """The journal; for a dry run a copy of it, so that nothing is kept."""
    url = connection.base_url
    if not choices.dry_run:
        with open_journal(cohort, url, folder=choices.journal, wait=choices.wait) as journal:
            yield journal
        return
    with temporary_folder() as folder:
        with read_journal(cohort, url, folder=choices.journal) as journal:
            if journal:
                with closing(sqlite3.connect(folder / journal.path.name)) as copy:
                    journal.copy_to(copy)
        with open_journal(cohort, url, folder=folder) as journal:
            yield journal


def _check_sites(journal: Journal, tags: Tags, choices: Choices) -> None:
    """Refuse to remove what another cohort brought: a journal may be shared by its folder's name."""
    known = set(json.loads(journal.about().get("tags", "[]")))
    here = {f"{system}|{code}" for system, code in tags}
    if known - here and choices.withdraw_missing:
        others = ", ".join(sorted(known - here))
        raise UsageError(
            f"{journal.path}: also knows resources of {others}, which this cohort has none of: nothing "
            "is removed; give each cohort a --journal of its own"
        )
    if here - known and not choices.dry_run:
        journal.note({"tags": json.dumps(sorted(known | here))})


def _prepare(
    connection: Connection,
    journal: Journal,
    delivery: Delivery,
    choices: Choices,
    watch: Watch | None,
) -> tuple[Sender, list[str]]:
    remembered = journal.about().get("plan", "")
    said = Capabilities()
    if not remembered or choices.dry_run:
        said = read_capabilities(connection)
    choice = Choice(ladder(said, delivery.types(), remembered))
    audit = Audit(journal.audit_path, connection.base_url)
    tally = Tally(watch)
    size = BundleSize(choices.bundle_size)
    sender = Sender(connection, journal, choice, tally, choices.overwrite, audit=audit, size=size)
    return sender, _warnings(said, delivery.types())


def _warnings(said: Capabilities, kinds: Sequence[str]) -> list[str]:
    """What the statement lacks; it is tried nevertheless."""
    without = said.denied(kinds, "update")
    notes = (
        [f"the server says that it cannot update {', '.join(without)}: tried"] if without else []
    )
    if said.interactions and not said.interactions & {"transaction", "batch"}:
        notes.append("the server says that it takes neither transactions nor batches: tried")
    return notes


class _Run:
    """One export from looking to the last count."""

    def __init__(
        self, sender: Sender, delivery: Delivery, choices: Choices,
        missing: Sequence[tuple[str, str]], notes: list[str], began: float,
    ) -> None:  # fmt: skip
        self.sender = sender
        self.delivery = delivery
        self.choices = choices
        self.missing = missing
        self.notes = notes
        self.began = began
        self.began_sending = False
        self.planned: Counter[str] = Counter()
        self.before: Counter[str] = Counter()

    def run(self, tags: Tags) -> Transferred:
        """Do it all; what stops it is told with the counts."""
        try:
            self.notes += look(
                self.sender, self.delivery, tags, self._parallel_look, verify=self.choices.verify
            )
            self._plan()
            if not self.choices.dry_run:
                self._act()
        except ServerError as error:
            self._count_not_sent()
            self._note_end("stopped", reason=str(error))
            raise TransferStoppedError(str(error), self._finished()) from None
        except BaseException:  # Ctrl-C, a full disk: the journal knows what is under way
            self.sender.stop.set()
            raise
        return self._finished()

    def _plan(self) -> None:
        tally = self.sender.tally
        counts = self.delivery.counts()
        for (kind, action), number in counts.items():
            tally.show(kind)
            if action == UNCHANGED:
                tally.add(kind, KEPT, number)
            elif action in (CREATE_IT, UPDATE_IT):
                self.planned[kind] += number
                if self.choices.dry_run:
                    tally.add(kind, CREATED if action == CREATE_IT else UPDATED, number)
        if self.choices.dry_run:
            tally.requests = sum(-(-n // self.choices.bundle_size) for n in self.planned.values())
            if self.choices.withdraw_missing:
                for kind, number in Counter(kind for kind, _ in self.missing).items():
                    tally.add(kind, REMOVED, number)
                    tally.requests += -(-number // 100)
        self.before = Counter({kind: sum(found.values()) for kind, found in tally.counts.items()})

    def _act(self) -> None:
        sender = self.sender
        sender.tally.watch.expect(sum(self.planned.values()))
        removing = len(self.missing) if self.choices.withdraw_missing else 0
        if self.planned or removing:
            counts = {**self.planned, "to remove": removing}
            sender.audit.begin("export", sender.choice.plan.name, counts)
            self.began_sending = True
        if self.choices.all_or_nothing:
            why = send_together(sender, self.delivery)
            if why:
                self.notes.append(why)
                self._note_end("refused", reason=why)
                return
        else:
            self._send_waves()
        if self.choices.withdraw_missing:
            withdraw(sender, self.missing)
        if sender.choice.confirmed:
            sender.journal.note({"plan": sender.choice.plan.name, **self._server()})
        self._note_end("end")

    def _note_end(self, event: str, **about: str) -> None:
        """Close what `begin` opened in the audit log."""
        if self.began_sending:
            results = {kind: dict(found) for kind, found in self.sender.tally.counts.items()}
            self.sender.audit.write(event, results=results, **about)

    def _server(self) -> dict[str, str]:
        connection = self.sender.connection
        return {"fhir_version": connection.fhir_version, "software": connection.software}

    def _send_waves(self) -> None:
        for wave in range(_WAVES):
            held = self._send_wave((CREATE_IT, UPDATE_IT), wave)
            while held:  # what they point to may have been in another bundle of this wave
                left = self._send_wave((HELD_IT,), wave)
                if left == held:
                    break
                held = left
            for item in self.delivery.items((HELD_IT,), wave) if held else ():
                self.sender.fail_held(item)

    def _send_wave(self, actions: Sequence[str], wave: int) -> int:
        """Send what is to be done in a wave; returns how many resources were held back."""
        held = 0

        def hold(items: Sequence[Item]) -> None:
            nonlocal held
            held += len(items)
            self.delivery.decide(replace(item, action=HELD_IT) for item in items)

        if HELD_IT in actions:  # else they would come round again and again
            self.delivery.release(wave)
            actions = (RETRY_IT,)
        self._parallel(self.sender.send, self._in_chunks(self.delivery.items(actions, wave)), hold)
        return held

    def _in_chunks(self, items: Iterable[Item]) -> Iterator[list[Item]]:
        chunk: list[Item] = []
        size = 0
        for item in items:
            full = len(chunk) >= self.sender.size.size or size + item.size > LARGEST
            if chunk and (full or chunk[0].type != item.type):
                yield chunk
                chunk, size = [], 0
            chunk.append(item)
            size += item.size
        if chunk:
            yield chunk

    def _parallel_look(self, send: Send, chunks: Iterable[Sequence[Item]]) -> None:
        self._parallel(send, chunks, self.delivery.decide, reading=True)

    def _parallel(
        self,
        send: Send,
        chunks: Iterable[Sequence[Item]],
        keep: Callable[[Sequence[Item]], None],
        *,
        reading: bool = False,
    ) -> None:
        """Run `send` on each chunk, at most `connections` at a time; `keep` gets what it gives back.

        Chunks are made when there is room for them, so that memory stays bounded. Until a plan has
        worked there is one at a time.
        """
        running: set[Future[list[Item]]] = set()
        with ThreadPoolExecutor(max_workers=self.choices.connections) as pool:
            try:
                for chunk in chunks:
                    while running and len(running) >= self._room(reading):
                        running = _collect(running, keep)
                    running.add(pool.submit(send, chunk))
                while running:
                    running = _collect(running, keep)
            except BaseException:
                self.sender.stop.set()  # the others end with what they have under way
                raise

    def _room(self, reading: bool) -> int:
        return self.choices.connections if reading or self.sender.choice.confirmed else 1

    def _count_not_sent(self) -> None:
        tally = self.sender.tally
        for kind, number in self.planned.items():
            settled = sum(tally.counts[kind].values()) - self.before[kind]
            if number > settled:
                tally.add(kind, NOT_SENT, number - settled)

    def _finished(self) -> Transferred:
        tally = self.sender.tally
        removed = {place for place in self.missing if self.choices.withdraw_missing}
        missing = Counter(
            kind for kind, identifier in self.missing if (kind, identifier) not in removed
        )
        return Transferred(
            {kind: dict(found) for kind, found in tally.counts.items()},
            tally.failures,
            tally.failed,
            dict(missing),
            [*self.notes, *self.sender.choice.notes],
            str(self.sender.choice.plan),
            tally.requests,
            monotonic() - self.began,
            self.choices.dry_run,
        )


def _collect(
    running: set[Future[list[Item]]], keep: Callable[[Sequence[Item]], None]
) -> set[Future[list[Item]]]:
    done, rest = wait(running, return_when=FIRST_COMPLETED)
    for future in done:
        keep(future.result())
    return rest
