"""On which further channels of its address an act counts (S-31, S-32)."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefsvc.address import CHANNELS, channels_reaching, kind_of
from prefsvc.reach import Said, further_channels
from prefsvc.suppression import (
    OPT_IN_SOURCES,
    OPT_OUT_SOURCES,
    ActKind,
    Reason,
    Scope,
    ScopeKind,
)

SAID = st.builds(
    Said,
    st.sampled_from(get_args(ActKind)),
    st.sampled_from(CHANNELS),
    st.sampled_from(get_args(ScopeKind)),
    st.sampled_from(get_args(Reason)),
    st.sampled_from(sorted(OPT_OUT_SOURCES | OPT_IN_SOURCES)),
)
BRANDS = st.lists(st.sampled_from(CHANNELS), unique=True).map(tuple)
WIDE = ("brand", "third_party_sharing")


def stop(channel="whatsapp", scope="channel", reason="opt_out", source="sms_reply"):
    return Said("opt_out", channel, scope, reason, source)


def start(channel="whatsapp", scope="channel", source="sms_reply"):
    return Said("opt_in", channel, scope, "opt_out", source)


@given(SAID, BRANDS)
def test_only_further_channels_of_the_same_address_are_reached(said, brands):
    found = further_channels(said, brands)
    assert said.channel not in found
    assert {kind_of(one) for one in found} <= {kind_of(said.channel)}
    assert len(set(found)) == len(found)


@given(SAID, BRANDS)
def test_what_is_about_more_than_a_channel_reaches_all_whatever_the_brand_has(said, brands):
    if said.scope in WIDE:
        reached = {said.channel, *further_channels(said, brands)}
        assert reached == set(channels_reaching(kind_of(said.channel)))


@given(SAID)
def test_what_is_about_a_channel_that_the_brand_has_stays_there(said):
    if said.scope not in WIDE:
        assert further_channels(said, CHANNELS) == ()


@given(SAID, BRANDS)
def test_an_opt_in_never_reaches_further_than_the_opt_out_of_its_scope(said, brands):
    opted_out = Said("opt_out", said.channel, said.scope, said.reason, said.source)
    assert set(further_channels(said, brands)) <= set(further_channels(opted_out, brands))


@pytest.mark.parametrize("channel", ["sms", "whatsapp"])
@pytest.mark.parametrize("scope", ["channel", "topic"])
def test_a_stop_on_a_channel_that_the_brand_lacks_counts_on_every_list(channel, scope):
    other = "sms" if channel == "whatsapp" else "whatsapp"
    assert further_channels(stop(channel, scope), ("email", other)) == (other,)
    assert further_channels(stop(channel, scope), ("email",)) == (other,)


@pytest.mark.parametrize("reason", ["undeliverable", "deactivated", "restriction"])
def test_that_a_number_takes_no_texts_says_nothing_of_whatsapp(reason):
    assert further_channels(stop("sms", reason=reason), ("whatsapp",)) == ()


def test_only_undo_takes_back_on_both_channels_what_such_a_stop_did():
    assert further_channels(start(source="undo"), ("sms",)) == ("sms",)
    for source in sorted(OPT_IN_SOURCES - {"undo"}):
        assert further_channels(start(source=source), ("sms",)) == ()


def test_the_scopes_that_reach_further_are_those_of_no_channel():
    kinds = {kind for kind in get_args(ScopeKind) if further_channels(stop(scope=kind), CHANNELS)}
    assert kinds == {Scope("brand").kind, Scope("third_party_sharing").kind}
