"""The metrics of several processes, as one."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from prefsvc.processes import totals
from prefsvc.processes.totals import Family, Sample

numbers = st.lists(st.integers(0, 1000), min_size=1, max_size=4)


def family(kind, value, *, name="prefsvc_x", sample="", **labels):
    return Family(name, "X.", kind, (Sample(sample or name, tuple(labels.items()), value),))


def values(families):
    return {
        (sample.name, *sample.labels): sample.value
        for family in families
        for sample in family.samples
    }


@given(numbers)
def test_what_is_counted_is_summed_up(counts):
    told = [[family("counter", count, sample="prefsvc_x_total", of="a")] for count in counts]
    assert values(totals.together(told)) == {("prefsvc_x_total", ("of", "a")): sum(counts)}


@given(numbers)
def test_of_what_one_shows_for_all_the_largest_counts(shown):
    told = [[family("gauge", value)] for value in shown]
    assert values(totals.together(told)) == {("prefsvc_x",): max(shown)}


@given(numbers)
def test_of_what_each_has_a_part_the_parts_are_summed_up(parts):
    told = [[family("gauge", part, name="prefsvc_feed_waiters")] for part in parts]
    assert values(totals.together(told)) == {("prefsvc_feed_waiters",): sum(parts)}


def test_every_summed_gauge_is_one_that_there_is():
    names = {family.name for family in totals.own() if family.kind == "gauge"}
    assert names >= totals.SUMMED


@given(numbers, numbers)
def test_no_count_falls_when_a_process_goes(lived, gone):
    def told(counts):
        return [[family("counter", count), family("gauge", count, name="g")] for count in counts]

    before = values(totals.together(told(lived + gone)))
    buried = [totals.counted(families) for families in told(gone)]
    after = values(totals.together([*told(lived), totals.together(buried)]))
    assert after == {("prefsvc_x",): before["prefsvc_x",], ("g",): max(lived)}


def test_together_they_read_as_one_process_would_have_told_it():
    def registry(times):
        made = CollectorRegistry()
        counter = Counter("c", "Counted.", ["of"], registry=made)
        seconds = Histogram("h_seconds", "How long.", buckets=(1, 2), registry=made)
        Gauge("g", "Shown.", registry=made).set(7)
        for time in times:
            counter.labels('a\n"b').inc()
            seconds.observe(time)
        return made

    def told(made):
        return [
            Family(
                one.name, one.documentation, one.type,
                tuple(Sample(s.name, tuple(s.labels.items()), s.value) for s in one.samples),
            )
            for one in made.collect()
        ]  # fmt: skip

    def read(text):
        return {
            (sample.name, *sorted(sample.labels.items())): sample.value
            for one in text_string_to_metric_families(text.decode())
            for sample in one.samples
            if not sample.name.endswith("_created")
        }

    several = totals.together([told(registry([0.5, 1.5])), told(registry([3]))])
    assert read(totals.exposed(several)) == read(generate_latest(registry([0.5, 1.5, 3])))
