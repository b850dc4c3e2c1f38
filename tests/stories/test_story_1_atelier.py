"""1 Atelier has published that it honours an unsubscribe within ten days."""

from tests.stories.storyteller import MOMENT_LATER, due
from tests.support.cast import ANN, BOB

SPRING, WINTER = "catalogue-spring", "catalogue-winter"
ANNS_HOUSEHOLD = "household 4711"


async def test_an_unsubscribe_is_honoured_within_ten_days(about):
    """SEEDS 1: a sender that has not heard by then is overdue, until it catches up."""
    shop = await about("1-atelier")
    mailer, quick = await shop.program("mailer"), await shop.program("quick")
    alarms = await shop.receiver()

    # Ann presses unsubscribe: she is suppressed at once, and the tenth day is promised.
    ann = await shop.clicks_unsubscribe(ANN)
    assert (ann["may_send"], due(ann)) == (False, shop.day(10))
    assert (await shop.may_send(ANN, topic="orders"))["may_send"]
    assert await quick.catches_up() == {ANN}
    assert (await mailer.state(), await quick.state()) == ("clear", "clear")

    # A mailing that was on its way is no violation.
    await shop.it_is_day(3)
    assert (await mailer.reports(ANN, sent_on_day=2.5))["verdict"] == "in_flight"
    assert (await mailer.reports(BOB, sent_on_day=2.5))["verdict"] == "clear"
    assert (await mailer.reports(ANN, sent_on_day=2.5, topic="orders"))["verdict"] == "exempt"

    # The days pass, and the mailer does not listen.
    await shop.it_is_day(5, just_after=False)
    assert (alarms.heard, await mailer.state()) == ([], "clear")
    await shop.it_is_day(5)
    assert (alarms.heard, await mailer.state()) == (["half"], "due_soon")
    await shop.it_is_day(8)
    assert alarms.heard == ["half", "four_fifths"]
    await shop.it_is_day(10, just_after=False)
    assert await mailer.has_clearance()

    # The tenth day is over: alarm, case, no clearance.
    await shop.it_is_day(10)
    assert alarms.heard == ["half", "four_fifths", "overdue"]
    assert (alarms.last["sender"], alarms.last["owed_count"]) == ("mailer", 1)
    assert (await mailer.state(), await mailer.has_clearance()) == ("overdue", False)
    assert (await quick.state(), await quick.has_clearance()) == ("clear", True)
    [overdue] = await shop.open_cases()
    assert (overdue["kind"], overdue["sender"]) == ("overdue", "mailer")
    evidence = (await shop.reads_case(overdue["case_id"]))["evidence"]
    assert evidence["opt_out_id"] == ann["opt_out_id"]
    assert due(evidence) == shop.day(10)

    # It sends all the same: a violation, and a case of its own.
    await shop.it_is_day(11)
    sent = await mailer.reports(ANN, sent_on_day=10.5)
    assert (sent["verdict"], sent["opt_out_id"]) == ("violation", ann["opt_out_id"])
    assert await mailer.reports(ANN, sent_on_day=10.5) == sent
    await shop.everything_happens()
    assert alarms.heard == ["half", "four_fifths", "overdue", "violation"]
    assert alarms.last["case_id"] == sent["case_id"]

    # Late, it acknowledges: clearance is back, and the cases stay until somebody has said why.
    await shop.it_is_day(12)
    assert await mailer.catches_up() == {ANN}
    assert await mailer.has_clearance()
    await shop.everything_happens()
    assert alarms.heard == ["half", "four_fifths", "overdue", "violation", "recovery"]
    assert await mailer.state() == "clear"
    for case in await shop.open_cases():
        resolved = await shop.resolves(case, "The nightly pull had been switched off.")
        assert resolved["resolved_by"]
    assert await shop.open_cases() == []

    # Nothing more is said of it, whatever the day.
    await shop.it_is_day(30)
    assert len(alarms.heard) == 5


async def test_a_catalogue_that_was_already_printed_may_still_arrive(about):
    """SEEDS 4: what was cut before the opt-out is in flight, and its cursor proves it."""
    shop = await about("1-atelier")
    printer = await shop.program("printer", "post")
    alarms = await shop.receiver()
    before = printer.cursor
    assert (await printer.cuts(WINTER, topic="catalogue"))["clearance"]

    # On the first day Ann writes that she wants no more catalogues.
    await shop.it_is_day(1)
    said = await shop.writes_a_letter(ANNS_HOUSEHOLD, channel="post")
    assert due(said) == shop.day(11) + MOMENT_LATER
    assert not (await shop.may_send(ANNS_HOUSEHOLD, channel="post"))["may_send"]

    # The printer delivers after the day. The winter list was cut before she wrote.
    await shop.it_is_day(14)
    assert alarms.heard == ["overdue"]
    winter = await printer.reports(ANNS_HOUSEHOLD, sent_on_day=13, mailing=WINTER)
    assert (winter["verdict"], winter["why"]) == ("in_flight", "cut_before_the_opt_out")

    # The spring list is as old, but it was put down only now: that proves nothing.
    assert not (await printer.cuts(SPRING, cursor=before, topic="catalogue"))["clearance"]
    spring = await printer.reports(ANNS_HOUSEHOLD, sent_on_day=14, mailing=SPRING)
    assert spring["verdict"] == "violation"
    case = await shop.reads_case(spring["case_id"])
    assert case["mailing"] == SPRING
    assert (case["evidence"]["had_heard"], case["evidence"]["list_had_it"]) == (False, False)

    # Had the printer said nothing of a mailing, it would have been one, too.
    unnamed = await printer.reports(ANNS_HOUSEHOLD, sent_on_day=13)
    assert unnamed["verdict"] == "violation"
    assert unnamed["case_id"] != spring["case_id"]
    await shop.everything_happens()
    assert alarms.heard == ["overdue", "violation", "violation"]

    # It catches up, and the next list lacks Ann's household.
    assert await printer.catches_up() == {ANNS_HOUSEHOLD}
    assert (await printer.cuts("catalogue-summer", topic="catalogue"))["clearance"]
    await shop.everything_happens()
    assert alarms.heard[-1] == "recovery"
    assert {case["kind"] for case in await shop.open_cases()} == {"overdue", "violation"}
    for case in await shop.open_cases():
        await shop.resolves(case, "The spring list was cut from an old copy.")
    assert await shop.open_cases() == []
