"""Ducallier says that removals usually take three to five days, and asks to allow two weeks."""

from tests.stories.storyteller import MOMENT_LATER, due
from tests.support.cast import ANN, BOB


async def test_after_five_days_it_warns_and_after_two_weeks_it_is_overdue(about):
    """SEEDS 14: a target of 5 days and a window of 14."""
    house = await about("ducallier")
    mailer = await house.program("mailer")
    alarms = await house.receiver()

    # Ann opts out of everything; two weeks are promised, five days are aimed at.
    ann = await house.clicks_unsubscribe(ANN)
    assert (ann["may_send"], due(ann)) == (False, house.day(14))

    # The fifth day passes: a warning. A mailing may still go out, for it is inside the window.
    await house.it_is_day(5, just_after=False)
    assert alarms.heard == []
    await house.it_is_day(5)
    assert (alarms.heard, await mailer.state()) == (["target"], "past_target")
    assert alarms.last["next_deadline_at"] == ann["deadline_at"]
    assert await mailer.has_clearance()
    assert (await mailer.reports(ANN, sent_on_day=5))["verdict"] == "in_flight"

    # Half of the window, four fifths of it, all of it.
    await house.it_is_day(7)
    await house.it_is_day(14 * 0.8)
    assert alarms.heard == ["target", "half", "four_fifths"]
    await house.it_is_day(14, just_after=False)
    assert (await mailer.reports(ANN, sent_on_day=13.9))["verdict"] == "in_flight"
    assert await mailer.has_clearance()
    await house.it_is_day(14)
    assert alarms.heard == ["target", "half", "four_fifths", "overdue"]
    assert (await mailer.state(), await mailer.has_clearance()) == ("overdue", False)
    [case] = await house.open_cases()

    # The day after, it writes to Ann, and then wakes up.
    await house.it_is_day(15)
    sent = await mailer.reports(ANN, sent_on_day=14.5)
    assert sent["verdict"] == "violation"
    assert await mailer.catches_up() == {ANN}
    await house.everything_happens()
    assert sorted(alarms.heard[4:]) == ["recovery", "violation"]
    assert (await mailer.state(), await mailer.has_clearance()) == ("clear", True)

    # Olive finds out why.
    case = await house.reads_case(case["case_id"])
    assert case["recovered_at"]
    assert case["resolved_at"] is None
    resolved = await house.resolves(case, "Its key had expired.")
    assert resolved["cause"] == "Its key had expired."
    assert resolved["resolved_by"].startswith("Olive")
    [other] = await house.open_cases()
    assert (other["kind"], other["case_id"]) == ("violation", sent["case_id"])

    # And what Ann's opt-out tells of itself is the whole story.
    told = await house.asks("GET", f"opt-outs/{ann['opt_out_id']}")
    [heard] = told["senders"]
    assert (heard["sender"], heard["state"]) == ("mailer", "acknowledged")
    assert heard["acknowledged_at"].startswith("2026-12-05")


async def test_a_change_of_mind_about_sharing_has_a_clock_of_its_own(about):
    """SEEDS 16: data may not be shared with third parties any more; her mail she still wants."""
    house = await about("ducallier")
    exporter = await house.program("exporter")
    alarms = await house.receiver()

    # Ann wants her address passed on to nobody. What she reads herself goes on.
    said = await house.writes_a_letter(ANN, channel="email", scope="third_party_sharing")
    assert due(said) == house.day(14)
    assert not (await house.may_send(ANN, purpose="third_party_sharing"))["may_send"]
    assert (await house.may_send(ANN))["may_send"]

    # Six days later Bob wants no more mail: that clock is another, and has a target.
    await house.it_is_day(6)
    bob = await house.clicks_unsubscribe(BOB)
    assert due(bob) == house.day(20) + MOMENT_LATER
    assert (await house.may_send(BOB, purpose="third_party_sharing"))["may_send"]

    # Sharing has no target; half of its window is over first, then Bob's target has come.
    await house.it_is_day(7)
    assert alarms.heard == ["half"]
    await house.it_is_day(11.01)
    assert alarms.heard == ["half", "target"]

    # The exporter has not heard in time. A mail to Ann is no violation all the same.
    await house.it_is_day(14)
    assert alarms.heard[-1] == "overdue"
    assert (await exporter.state(), await exporter.has_clearance()) == ("overdue", False)
    [case] = await house.open_cases()
    evidence = (await house.reads_case(case["case_id"]))["evidence"]
    assert evidence["opt_out_id"] == said["opt_out_id"]
    assert evidence["deadline"]["set_by"] == "promise"
    await house.it_is_day(15)
    assert (await exporter.reports(ANN, sent_on_day=14.5))["verdict"] == "clear"
    assert (await exporter.reports(BOB, sent_on_day=14.5))["verdict"] == "in_flight"

    # It catches up with both.
    assert await exporter.catches_up() == {ANN, BOB}
    await house.everything_happens()
    assert alarms.heard[-1] == "recovery"
    assert await exporter.has_clearance()
    await house.resolves(case, "The exporter read only the mail scopes of the feed.")
    assert await house.open_cases() == []
