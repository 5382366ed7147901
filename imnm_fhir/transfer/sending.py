"""Sending resources and settling what became of each, whatever happens on the way.

Before a request its resources are `sending` in the journal, afterwards what the server confirmed. An
answer that is lost or confirms nothing is never believed: the server is asked what it holds.
"""

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from time import monotonic, sleep

from imnm_fhir.errors import ImnmFhirError, ServerError
from imnm_fhir.server.request.connection import Response, UnansweredError
from imnm_fhir.server.request.retries import backoff
from imnm_fhir.transfer.audit import Audit
from imnm_fhir.transfer.bundles import (
    Answer,
    bundle_answers,
    refused,
    single_answer,
    to_bundle,
    to_write,
)
from imnm_fhir.transfer.delivery import CREATE_IT, Item
from imnm_fhir.transfer.journal import SENDING, UNKNOWN, Entry
from imnm_fhir.transfer.plans import CLIENT_ID, NEEDED, SINGLE, TRANSACTION, Plan
from imnm_fhir.transfer.reading import Found, is_ours, is_ours_normalised, read_back
from imnm_fhir.transfer.settling import Settling
from imnm_fhir.transfer.sizes import BundleSize

_NO_SUCH_WAY = (404, 405, 501)  # of the way of sending, where nothing has worked yet
_CHANGED = (409, 412)  # HAPI answers 409 to a stale If-Match, the specification asks for 412
_MOSTLY_BAD = 8  # refused resources in a row, after which the next are sent one by one
_PROBED = 3  # resources on which every plan is tried before the resources are to blame


class StoppedError(Exception):
    """Another thread met what ends the export."""


@dataclass(kw_only=True)
class Sender(Settling):
    """What sending needs; one for an export, of use to several threads."""

    audit: Audit
    size: BundleSize
    stop: threading.Event = field(default_factory=threading.Event)
    _probed: int = 0
    _lost_since: float = 0.0  # when the first of the losses was

    # ------------------------------------------------------------------ one bundle

    def send(self, items: Sequence[Item]) -> list[Item]:
        """Send resources of one type; returns those held back, since what they point to is not there.

        Raises ServerError when the server or the network fails for good.
        """
        ready, held = self.targets.part(items, self._together())
        if ready and ready[0].type in self.forbidden:
            for item in ready:
                self.fail(item, Answer(False, 403, said=self.forbidden[item.type]))
        else:
            self._send_pieces(ready, self.choice.plan)
        return held

    def _together(self) -> bool:
        """Whether resources of one request may point to each other."""
        return self.choice.plan == Plan(TRANSACTION, CLIENT_ID)

    def send_whole(self, items: Sequence[Item]) -> Response | None:
        """Send all in one transaction; returns the server's refusal, None once all is stored."""
        plan, left = Plan(TRANSACTION, CLIENT_ID), items
        while left:
            response, answers = self._post(left, plan)
            if answers is not None and all(answer.stored for answer in answers):
                self._settle_all(left, answers, plan)
                return None
            if response is not None and (response.status >= 400 or answers is not None):
                return response
            left = self._ask(left, plan)
            if left and len(left) < len(items):
                raise ServerError(
                    f"{self.connection.base_url}: stored a part of a transaction: ask who runs the server"
                )
        return None

    def _send(self, items: Sequence[Item], plan: Plan, again: bool = False) -> None:
        """Send and settle `items`; halves them until the guilty ones are alone."""
        if self.stop.is_set():
            raise StoppedError
        items = self._writable(items, plan)
        if not items:
            return
        response, answers = self._post(items, plan)
        if answers is not None:
            self._settle_all(items, answers, plan)
        elif response is None or response.status < 400:  # unknown, or not confirmed
            left = self._ask(items, plan)
            if left and response is not None and again:
                self._split(left, plan, response)
            else:
                self._send_pieces(left, plan, again=response is not None)
        elif response.status == 413 and len(items) > 1:
            self.size.halve(len(items), forever=True)
            self._halves(items, plan)
        elif response.status == 403:
            self._forbid(items, plan, response)
        else:
            self._split(items, plan, response)

    def _send_pieces(self, items: Sequence[Item], plan: Plan, again: bool = False) -> None:
        """Send in pieces of the size that is right by now."""
        while items:
            size = self.size.size
            self._send(items[:size], plan, again)
            items = items[size:]

    def _split(self, items: Sequence[Item], plan: Plan, response: Response) -> None:
        if len(items) > 1:
            self._halves(items, plan)
        elif not self._try_other_plans(items[0], plan, response):
            self._settle(items[0], refused(response, items[0]), plan)

    def _halves(self, items: Sequence[Item], plan: Plan) -> None:
        size = 1 if self.refused_in_row >= _MOSTLY_BAD else (len(items) + 1) // 2
        waiting: list[Item] = []  # for what stands in a later part
        for start in range(0, len(items), size):
            waiting += self._send_ready(items[start : start + size], plan)
        while waiting:
            left = self._send_ready(waiting, plan)
            if len(left) == len(waiting):
                break
            waiting = left
        for item in waiting:
            self.fail_held(item)

    def _send_ready(self, items: Sequence[Item], plan: Plan) -> list[Item]:
        """Send those whose references lead somewhere; returns the others."""
        ready, held = self.targets.part(items, self._together())
        if ready:
            self._send(ready, self.choice.plan if self.choice.confirmed else plan)
        return held

    def _forbid(self, items: Sequence[Item], plan: Plan, response: Response) -> None:
        """Tell a resource that may not be written from a type that may not."""
        if len(items) == 1:
            self._split(items, plan, response)
            return
        self._send(items[:1], plan)
        if items[0].type not in self.forbidden:
            self._halves(items[1:], plan)
            return
        for item in items[1:]:
            self.fail(item, Answer(False, 403, said=self.forbidden[item.type]))

    def _writable(self, items: Sequence[Item], plan: Plan) -> Sequence[Item]:
        """The resources that the plan can name; the others fail."""
        if plan.naming == CLIENT_ID:
            return items
        kept = []
        for item in items:
            try:
                to_write(item, plan.naming, self.targets.server_id)
                kept.append(item)
            except ServerError:
                raise
            except ImnmFhirError as error:
                self.fail(item, Answer(False, 0, said=f"not sent: it {error}"))
        return kept

    # ------------------------------------------------------------------ requests

    def _post(
        self, items: Sequence[Item], plan: Plan
    ) -> tuple[Response | None, list[Answer] | None]:
        """Send one request (or one each); returns the whole answer or that of each resource.

        None and None: nobody knows what became of it.
        """
        self._note_sending(items)
        began = monotonic()
        response: Response | None = None
        answers: list[Answer] | None = None
        try:
            if plan.envelope == SINGLE:
                answers = self._post_singles(items, plan)
            else:
                response = self._post_bundle(items, plan)
                answers = bundle_answers(response, items)
        except UnansweredError as error:
            self._lost(items, error)
        seconds = monotonic() - began
        if answers is not None:
            self.size.learn(seconds, len(items))
        status = response.status if response is not None else None
        results = Counter(_result(answer) for answer in answers or ())
        ids = [item.server_id or item.id for item in items]
        kinds = sorted({item.type for item in items})
        self.audit.request(
            plan.envelope,
            ", ".join(kinds),
            ids,
            results or {"unknown": len(items)},
            status,
            seconds,
        )
        return response, answers

    def _note_sending(self, items: Sequence[Item]) -> None:
        """Keep that the resources are under way, before they are."""
        known: dict[tuple[str, str], Entry] = {}
        for kind in dict.fromkeys(item.type for item in items):
            ids = [item.id for item in items if item.type == kind]
            found = self.journal.get_many(kind, ids)
            known.update({(kind, identifier): entry for identifier, entry in found.items()})
        entries = []
        for item in items:
            old = known.get((item.type, item.id))
            attempt = old.attempt + 1 if old else 1
            self.under_way[item.seq] = attempt
            about = {"hash": old.hash if old else None, "attempt": attempt}
            entries.append(item.entry(SENDING, pending=item.hash, **about))
        self.journal.put(entries, durable=False)

    def _post_bundle(self, items: Sequence[Item], plan: Plan) -> Response:
        writes = [to_write(item, plan.naming, self.targets.server_id) for item in items]
        body = to_bundle(plan.envelope, self.connection.base_url, items, writes)
        self.tally.request()
        return self.connection.request("POST", "", body=body, idempotent=False)

    def _post_singles(self, items: Sequence[Item], plan: Plan) -> list[Answer]:
        answers: list[Answer] = []
        for item in items:
            last = answers[-1] if answers else None
            if last and last.status == 403 and not self.is_written(item.type):
                answers.append(last)  # the type is forbidden: not asked again
            else:
                answers.append(self._post_single(item, plan))
        return answers

    def _post_single(self, item: Item, plan: Plan) -> Answer:
        write = to_write(item, plan.naming, self.targets.server_id)
        names = {"ifMatch": "If-Match", "ifNoneExist": "If-None-Exist"}
        headers = {names[key]: value for key, value in write.conditions.items()}
        headers["Prefer"] = "return=minimal"
        self.tally.request()
        response = self.connection.request(
            write.method, write.url, body=write.body, headers=headers, idempotent=False
        )
        return single_answer(response, item)

    def _lost(self, items: Sequence[Item], error: UnansweredError) -> None:
        """Keep that nobody knows what became of a request, and wait as the server asks."""
        if error.status is None or error.status == 504:
            self.size.halve(len(items))
        entries = [self.journal.get(item.type, item.id) for item in items]
        self.journal.put(replace(entry, state=UNKNOWN, time="") for entry in entries if entry)
        if not self.losses:
            self._lost_since = monotonic()
        wait = max(error.wait, backoff(self.losses))
        self.losses += 1
        if monotonic() - self._lost_since + wait > self.connection.options.patience:
            raise error
        sleep(wait)

    # ------------------------------------------------------------------ settling

    def _ask(self, items: Sequence[Item], plan: Plan) -> list[Item]:
        """Settle what the server holds of `items` already; returns what has to be sent again."""
        left = []
        found = read_back(self.connection, self.choice, items, plan.naming)
        for item, there in zip(items, found, strict=True):
            if there.there and self._holds(there, item, plan):
                created = item.action == CREATE_IT
                answer = Answer(True, there.status, there.server_id, there.version, created=created)
                self._settle(item, answer, plan)
            elif self.changed_meanwhile(item, there):
                self.differ(item, there)
            else:
                left.append(item)
        return left

    def _holds(self, found: Found, item: Item, plan: Plan) -> bool:
        """Whether the server holds what a request without a clear end has sent, normalised or not."""
        about = (found, item, plan.naming, self.targets.server_id)
        return is_ours(*about) or is_ours_normalised(*about)

    def _settle_all(self, items: Sequence[Item], answers: Sequence[Answer], plan: Plan) -> None:
        if not any(answer.stored for answer in answers) and not self.choice.confirmed:
            if plan.envelope != TRANSACTION and len(items) > 1:
                self._halves(items, plan)
                return
        entries = []
        for item, answer in zip(items, answers, strict=True):
            if answer.stored:
                entries.append(self.stored(item, answer, plan))
            elif len(items) > 1 and answer.status in (413, 429, 500, 502, 503, 504):
                self._send([item], plan)  # of a batch: an answer of its own
            elif not self._try_other_plans(item, plan, None, answer):
                self._settle(item, answer, plan)
        self.journal.put(entry for entry in entries if entry)

    def _settle(self, item: Item, answer: Answer, plan: Plan) -> None:
        """Count one resource by what the server said of it, and keep that in the journal."""
        if answer.stored:
            entry = self.stored(item, answer, plan)
            self.journal.put([entry] if entry else [])
        elif answer.status in _CHANGED:  # somebody was faster, perhaps with the same
            found = read_back(self.connection, self.choice, [item], plan.naming)[0]
            if found.there and self._holds(found, item, plan):
                self._settle(item, Answer(True, 200, found.server_id, found.version), plan)
            elif self.changed_meanwhile(item, found):
                self.differ(item, found)
            else:
                self.fail(item, answer)
        else:
            self.fail(item, answer)

    # ------------------------------------------------------------------ plans

    def _try_other_plans(
        self, item: Item, plan: Plan, response: Response | None, answer: Answer | None = None
    ) -> bool:
        """Send a resource under every other plan until one works: the way may be at fault, not it.

        Returns whether it is settled. Raises ServerError where no way of sending exists.
        """
        if self.choice.confirmed or self._probed >= _PROBED or plan != self.choice.plan:
            return False
        status = response.status if response is not None else answer.status if answer else None
        if status in _CHANGED:  # somebody else's resource: another way would overwrite it
            return False
        self._probed += 1
        statuses = [status]
        for other in self.choice.others():
            if item.action != CREATE_IT and other.naming != plan.naming:
                continue  # it is there by its id
            try:
                whole, answers = self._post([item], other)
            except ImnmFhirError as error:
                if isinstance(error, ServerError):
                    raise
                continue  # it has no identifier, or points to what has no id there
            if answers and answers[0].stored:
                self._settle(item, answers[0], other)
                return True
            statuses.append(whole.status if whole else answers[0].status if answers else None)
        if all(each in _NO_SUCH_WAY for each in statuses):
            raise ServerError(
                f"{self.connection.base_url}: takes {item.type} in no way that is known here (answered "
                f"{', '.join(str(each) for each in statuses)}): {NEEDED}"
            )
        return False


def _result(answer: Answer) -> str:
    if not answer.stored:
        return f"refused {answer.status or ''}".strip()
    return "unchanged" if answer.unchanged else "created" if answer.created else "updated"
