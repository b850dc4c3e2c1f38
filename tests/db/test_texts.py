"""STOP and START whose provider says when they were sent, and which (RULES S-20)."""

import itertools
from datetime import timedelta

import pytest

from prefsvc.address import Address
from prefsvc.opt_outs import Act
from prefsvc.recipients import Recipient
from prefsvc.suppression import Scope
from prefsvc.text_order import Text
from prefsvc.texts import SOURCE, Heard, Undecided, Word
from tests.support.cast import ANNS_PHONE

SECOND = timedelta(seconds=1)
STOP, START = "opt_out", "opt_in"


@pytest.fixture
def word(service):
    """Make Ann's word; `sent_at` is known or not, as her provider has it."""

    def word(kind, number, sent_at=None, *, provider="telnyx", brand="acme"):
        ann = Recipient.of(Address.for_opt_out("sms", ANNS_PHONE), service.vault)
        text = Text(provider, f"m{number}", "account", sent_at)
        evidence = {"provider": provider, "message_id": text.message_id, "account": "account"}
        act = Act(service.book.get(brand), ann, Scope("channel"), SOURCE, evidence)
        return Word(kind, act, text)

    return word


@pytest.fixture
def is_stopped(service):
    async def asked():
        return await service.database.pool.fetchval("select bool_or(active) from suppression")

    return asked


async def heard(service, word):
    answer = await service.hear(word)
    assert isinstance(answer, Heard)
    return answer


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("kinds", [(STOP, START, STOP), (START, STOP, START)])
async def test_moments_that_came_with_the_texts_decide_by_themselves(
    service, word, is_stopped, order, kinds
):
    now = service.now()
    for number in order:
        await heard(service, word(kinds[number], number, now + (number - 3) * SECOND))
    assert await is_stopped() is (kinds[-1] == STOP)


async def test_a_start_handed_over_much_later_lifts_no_stop_that_was_sent_after_it(
    service, clock, word, is_stopped
):
    now = clock()
    await heard(service, word(STOP, 1, now - 3 * SECOND))
    await heard(service, word(STOP, 3, now - SECOND))
    clock.move(hours=2)
    await heard(service, word(START, 2, now - 2 * SECOND))
    assert await is_stopped()


async def test_a_start_is_held_up_by_a_stop_of_another_provider(service, clock, word):
    await heard(service, word(STOP, 1, provider="twilio"))
    undecided = await service.hear(word(START, 2, clock()))
    assert undecided == Undecided((Text("twilio", "m1", "account"),))


async def test_a_stop_whose_moment_is_known_counts_beside_a_start_whose_moment_is_not(
    service, clock, word, is_stopped
):
    sent_at = clock() - 5 * SECOND
    await heard(service, word(START, 1, provider="twilio"))
    stop = word(STOP, 2, sent_at)
    assert isinstance(await service.hear(stop), Undecided)
    await service.settle(stop, {})
    assert await is_stopped()


async def test_a_start_that_is_known_to_be_later_lifts_though_it_was_sent_before_the_stop_came(
    service, clock, word, is_stopped
):
    sent_at = clock() - 5 * SECOND
    stop, start = word(STOP, 1, provider="twilio"), word(START, 2, sent_at)
    await heard(service, stop)
    assert isinstance(await service.hear(start), Undecided)
    await service.settle(start, {stop.text: sent_at - SECOND})
    assert not await is_stopped()


async def test_a_stop_handed_over_much_later_counts_if_it_was_sent_after_the_start(
    service, clock, word, is_stopped
):
    now = clock()
    await heard(service, word(STOP, 1, now - 60 * SECOND))
    # The START comes after the STOP was sent, and before that is handed over.
    await heard(service, word(START, 2, now - 30 * SECOND))
    assert not await is_stopped()
    clock.move(hours=2)
    await heard(service, word(STOP, 3, now - 20 * SECOND))
    assert await is_stopped()


@pytest.mark.parametrize("days", [2, 20_000])
async def test_a_stop_whose_provider_has_a_wrong_clock_is_not_lost(
    service, clock, word, is_stopped, days
):
    await heard(service, word(START, 1, clock()))
    clock.move(days=3)
    await heard(service, word(STOP, 2, clock() - days * 86_400 * SECOND))
    assert await is_stopped()


@pytest.mark.parametrize(("age_seconds", "answer"), [(299, "stop"), (301, None)])
async def test_what_was_sent_long_ago_is_recorded_and_not_answered(
    service, word, is_stopped, age_seconds, answer
):
    said = await heard(service, word(STOP, 1, service.now() - age_seconds * SECOND))
    assert said.answer == answer
    assert await is_stopped()


async def test_a_stop_that_turns_out_to_be_older_than_the_one_that_stands_is_no_second_opt_out(
    service, word
):
    now = service.now()
    assert (await heard(service, word(STOP, 1, now, brand="globex"))).answer == "stop"
    # Globex' days are counted to the second, so that the earlier one is due earlier.
    older = await heard(service, word(STOP, 2, now - 120 * SECOND, brand="globex"))
    assert (older.recorded.effect, older.answer) == ("added", None)


async def test_two_rounds_that_meet_another_text_in_between_end_stopped(service, word, is_stopped):
    await heard(service, word(STOP, 1))
    start = word(START, 2)
    undecided = await service.hear(start)
    await heard(service, word(STOP, 3))
    moments = {text: service.now() + n * SECOND for n, text in enumerate(reversed(undecided.texts))}
    await service.settle(start, moments)
    assert await is_stopped()


async def test_an_opt_out_whose_evidence_is_erased_holds_a_start_up(
    service, word, is_stopped, clock
):
    await heard(service, word(STOP, 1))
    await service.database.pool.execute("delete from evidence")
    await heard(service, word(START, 2, service.now()))
    assert await is_stopped()
