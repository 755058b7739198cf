"""States of streams with partitions and a cursor: one moment for each partition, or one for all.

    {"use_global_cursor": false, "states": [{"partition": {…}, "cursor": {field: moment}}, …],
     "state": {field: highest moment of all}, "lookback_window": seconds that the last read took,
     "parent_state": {parent: its state}}

Above PARTITIONS partitions, `use_global_cursor` is true, and there is no `states`. Others then begin partitions that they never
read where all the others end, and never read what is older. Here they are read from the start: which were read before stands in
a field of our own (`known`).
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import msgspec

from file_cdk.core.errors import ConfigError
from file_cdk.declarative.cursors.age import AgeRange
from file_cdk.declarative.cursors.cursor import DatetimeCursor
from file_cdk.declarative.slices import Slice
from file_cdk.declarative.slicing.partitions import PARENT_SLICE, digest_of, key_of
from file_cdk.declarative.states.known import PARTITIONS_FIELD, KnownPartitions
from file_cdk.declarative.states.plain import Reach
from file_cdk.declarative.states.progress import StreamProgress

PARTITIONS = 10_000
"""Maximum of partitions of which a state holds a cursor each."""


class PartitionedProgress:
    """stored: the state of the run before, empty for none. parents: the streams that are read from where they ended last, by
    name; None where partitions come from no parent, or from several at once."""

    def __init__(
        self, cursor: DatetimeCursor, stored: Mapping[str, Any], parents: Mapping[str, StreamProgress] | None
    ) -> None:
        self._cursor = cursor
        self._parents = parents
        try:
            self._read(stored)
        except (AttributeError, KeyError, TypeError, ValueError):
            raise ConfigError(
                "the state is not one of a stream with partitions", remedy="Mend the state, or start without one"
            ) from None
        self._stored_moments = dict(self._moments)
        """By partition, not changed any more: other threads look into it."""
        self._are_migrated = any(PARENT_SLICE not in msgspec.json.decode(key) for key in self._moments)
        self._highest = self._global
        self._has_records = False
        self._current: tuple[bytes, Reach] | None = None
        self._ended: set[int] = set()
        """Digests of what this run read, as long as each has a cursor of its own."""

    def _read(self, stored: Mapping[str, Any]) -> None:
        cursor = self._cursor
        self._moments: dict[bytes, Any] = {}
        self._lookback_s = 0
        self._is_global = cursor.is_global
        if "states" not in stored and "state" not in stored:
            of_all: Mapping[str, Any] = stored
        else:
            self._is_global = bool(stored.get("use_global_cursor", False))
            self._lookback_s = int(stored.get("lookback_window") or 0)
            of_all = stored.get("state") or {}
            for each in stored.get("states") or ():
                self._moments[key_of(each["partition"])] = each["cursor"]
        value = of_all.get(cursor.field)
        self._global = None if value is None else cursor.moment(value)
        knows_all = "states" in stored and not self._is_global
        self._known = KnownPartitions(stored.get(PARTITIONS_FIELD), others=self._global is not None and not knows_all)

    # What is to be read

    def _reach(self, partition: Mapping[str, Any]) -> Reach:
        key = key_of(partition)
        moment = self._stored_moments.get(key)
        if moment is None and self._are_migrated:
            moment = self._stored_moments.get(_older_key(partition))
        if moment is not None:
            return Reach(self._cursor, moment)
        if self._global is None or digest_of(partition) not in self._known:
            return Reach(self._cursor, {})
        return Reach(self._cursor, {self._cursor.field: self._cursor.text(self._global)}, self._lookback_s)

    def intervals(self, partition: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        return self._reach(partition).intervals()

    def ages(self, partition: Mapping[str, Any]) -> AgeRange | None:
        return self._cursor.ages_from(self._reach(partition).began_at)

    def parent(self, name: str) -> StreamProgress | None:
        return (self._parents or {}).get(name)

    # What was read

    def slice_ended(self, of: Slice, highest: Any) -> None:
        key, reach = self._of(of.partition)
        reach.slice_ended(of, highest)
        if highest is not None:
            self._has_records = True
            self._rise_to(highest)
        if not self._is_global:
            self._keep(key, reach.moment)

    def partition_ended(self, partition: Mapping[str, Any]) -> None:
        key, reach = self._of(partition)
        self._current = None
        if not self._is_global:
            self._keep(key, reach.moment)
            self._rise_to(reach.moment)
        (self._known if self._is_global else self._ended).add(digest_of(partition))

    def ended(self, seconds: int) -> None:
        if self._has_records:
            self._global, self._lookback_s = self._highest, seconds
        self._known.others = False

    def value(self) -> dict[str, Any]:
        field, text = self._cursor.field, self._cursor.text
        state: dict[str, Any] = {"use_global_cursor": self._is_global}
        if not self._is_global:
            state["states"] = [
                {"partition": msgspec.json.decode(key), "cursor": moment} for key, moment in self._moments.items()
            ]
        if self._global is not None:
            state["state"] = {field: text(self._global)}
        state["lookback_window"] = self._lookback_s
        if self._parents is not None:
            state["parent_state"] = {name: parent.value() for name, parent in self._parents.items()}
        if (known := self._known.value(with_digests=self._is_global)) is not None:
            state[PARTITIONS_FIELD] = known
        return state

    def _of(self, partition: Mapping[str, Any]) -> tuple[bytes, Reach]:
        key = key_of(partition)
        if self._current is None or self._current[0] != key:
            self._current = key, self._reach(partition)
        return self._current

    def _keep(self, key: bytes, moment: datetime) -> None:
        if key not in self._moments:
            if self._are_migrated:
                self._moments.pop(_older_key(msgspec.json.decode(key)), None)
            if len(self._moments) > PARTITIONS:
                self._is_global = True  # and this partition is known once it has ended
                # Not those of which there is a cursor alone: a run that broke off may have left it in their midst.
                for digest in self._ended:
                    self._known.add(digest)
                self._ended.clear()
                self._moments.clear()
                return
        self._moments[key] = {self._cursor.field: self._cursor.text(moment)}

    def _rise_to(self, moment: datetime) -> None:
        self._highest = moment if self._highest is None else max(self._highest, moment)


def _older_key(partition: Mapping[str, Any]) -> bytes:
    """As a state that was migrated has it: of a parent without partitions, its key as a text alone."""
    if partition.get(PARENT_SLICE) != {}:
        return b""
    return key_of({name: str(value) for name, value in partition.items() if name != PARENT_SLICE})
