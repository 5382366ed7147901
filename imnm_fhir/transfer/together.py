"""All or nothing: one transaction with everything, or a server as it was before.

A transaction cannot be halved here, since a half might be stored. The guilty resources are named by
what can be seen from outside: references that lead nowhere, and the server's own `$validate`.
"""

from collections.abc import Sequence

from imnm_fhir.errors import ServerError
from imnm_fhir.server.request.connection import Response
from imnm_fhir.server.request.words import issues_of
from imnm_fhir.transfer.bundles import Answer, refused
from imnm_fhir.transfer.delivery import CREATE_IT, UPDATE_IT, Delivery, Item
from imnm_fhir.transfer.sending import Sender
from imnm_fhir.transfer.tally import NOT_SENT, REFUSED, Failure

LARGEST = 64_000_000  # bytes: the whole transaction is held in memory, here and at the server
_NAMED = 20  # guilty resources that are looked for


def send_together(sender: Sender, delivery: Delivery) -> str | None:
    """Send everything in one transaction; returns why nothing was sent, None when all is stored.

    Raises ServerError where the delivery is too large for it, or the server fails for good.
    """
    items = _load(delivery)
    if not items:
        return None
    if sender.tally.failed:  # somebody else changed something: settled before
        return _nothing(sender, items, "somebody else changed resources at the server")
    _, held = sender.targets.part(items, together=True)
    for item in held:
        sender.fail_held(item)
    if held:
        lost = {item.seq for item in held}
        rest = [item for item in items if item.seq not in lost]
        return _nothing(sender, rest, "references lead to what is not there")
    response = sender.send_whole(items)
    if response is None:
        return None
    return _blame(sender, items, response)


def _load(delivery: Delivery) -> list[Item]:
    items: list[Item] = []
    size = 0
    for wave in range(4):
        for item in delivery.items((CREATE_IT, UPDATE_IT), wave):
            items.append(item)
            size += item.size
            if size > LARGEST:
                raise ServerError(
                    f"all or nothing: one transaction holds at most {LARGEST // 1_000_000} MB: leave "
                    "out --all-or-nothing, which loads the same in pieces"
                )
    return items


def _nothing(sender: Sender, items: Sequence[Item], why: str) -> str:
    for item in items:
        sender.tally.add(item.type, NOT_SENT)
    return f"nothing was stored: {why}"


def _blame(sender: Sender, items: Sequence[Item], response: Response) -> str:
    """Name the guilty resources of a transaction that the server refused as a whole."""
    whole = refused(response, items[0])
    guilty: dict[int, Answer] = {}
    for item in items:
        answer = _validate(sender, item)
        if answer is None:  # the server does not validate
            break
        if not answer.stored:
            guilty[item.seq] = answer
        if len(guilty) == _NAMED:
            break
    for item in items:
        sender.roll_back(item)
        answer = guilty.get(item.seq)
        if answer is None:
            sender.tally.add(item.type, NOT_SENT)
            continue
        about = (answer.status, answer.said, answer.expression)
        sender.tally.fail(Failure(item.type, item.id, REFUSED, *about))
    said = f"the server refused the transaction: {whole.status}: {whole.said}"
    if guilty:
        return f"nothing was stored: {said}"
    return (
        f"nothing was stored: {said}; its $validate names no resource: without --all-or-nothing the "
        "guilty ones are found by halving, and the rest is loaded"
    )


def _validate(sender: Sender, item: Item) -> Answer | None:
    """What the server's $validate says of a resource; None where it has none."""
    response = sender.connection.request(
        "POST", f"{item.type}/$validate", body=item.line, idempotent=True
    )
    outcome = response.json()
    if response.status in (404, 405, 501) or not issues_of(outcome):
        return None
    wrong = any(issue.get("severity") in ("error", "fatal") for issue in issues_of(outcome))
    if response.status < 400 and not wrong:
        return Answer(True, response.status)
    return refused(response, item)
