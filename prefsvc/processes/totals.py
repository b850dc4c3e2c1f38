"""Metrics of several processes, as one.

prometheus_client's own way (a file for each process) keeps the gauges of what is gone, and costs
every increment. Here each process is asked when somebody wants to know.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec
from prometheus_client import REGISTRY, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from typing_extensions import override

SUMMED: Final = frozenset(
    {
        "prefsvc_connections",
        "prefsvc_feed_waiters",
        "prefsvc_leads",
        "process_open_fds",
        "process_resident_memory_bytes",
        "process_virtual_memory_bytes",
    }
)
"""Gauges of which each process has a part. Of every other the largest counts: what one process
shows for all is nothing, or zero, at the others."""
_COUNTED: Final = frozenset({"counter", "histogram", "summary"})
_CREATED: Final = "_created"

Labels = tuple[tuple[str, str], ...]


class Sample(msgspec.Struct, frozen=True, array_like=True):
    """One line of a metric."""

    name: str
    labels: Labels
    value: float | None
    """None stands for what JSON has no number for: not a number."""


class Family(msgspec.Struct, frozen=True, array_like=True):
    """A metric with its samples."""

    name: str
    documentation: str
    kind: str
    samples: tuple[Sample, ...]

    @property
    def is_counted(self) -> bool:
        """Say whether it only ever grows."""
        return self.kind in _COUNTED


def own() -> tuple[Family, ...]:
    """Return the metrics of this process."""
    return tuple(
        Family(
            one.name,
            one.documentation,
            one.type,
            tuple(Sample(s.name, tuple(sorted(s.labels.items())), s.value) for s in one.samples),
        )
        for one in REGISTRY.collect()
    )


def counted(families: Iterable[Family]) -> tuple[Family, ...]:
    """Return what still counts of a process that is gone."""
    return tuple(one for one in families if one.is_counted)


def together(processes: Iterable[Iterable[Family]]) -> tuple[Family, ...]:
    """Sum up what several processes say."""
    first: dict[str, Family] = {}
    values: dict[str, dict[tuple[str, Labels], float]] = {}
    for families in processes:
        for family in families:
            known = first.setdefault(family.name, family)
            _add(known, values.setdefault(family.name, {}), family.samples)
    return tuple(
        Family(
            name,
            family.documentation,
            family.kind,
            tuple(Sample(*key, value) for key, value in values[name].items()),
        )
        for name, family in first.items()
    )


def _add(family: Family, into: dict[tuple[str, Labels], float], samples: Iterable[Sample]) -> None:
    for sample in samples:
        key, value = (sample.name, sample.labels), sample.value or 0.0
        before = into.get(key)
        if before is None:
            into[key] = value
        elif sample.name.endswith(_CREATED):
            into[key] = min(before, value)
        elif family.is_counted or family.name in SUMMED:
            into[key] = before + value
        else:
            into[key] = max(before, value)


class _Told(Collector):
    def __init__(self, families: Iterable[Family]) -> None:
        self._families = families

    @override
    def collect(self) -> Iterator[Metric]:
        for family in self._families:
            metric = Metric(family.name, family.documentation, family.kind)
            for sample in family.samples:
                metric.add_sample(sample.name, dict(sample.labels), sample.value or 0.0)
            yield metric


def exposed(families: Iterable[Family]) -> bytes:
    """Write them down for Prometheus."""
    return generate_latest(_Told(families))
