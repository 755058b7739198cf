"""Files of other writers than fastavro: Apache Avro, cavro, polars and polars-avro. See fixtures/derive_avro.py."""

from pathlib import Path
from typing import Any

import pytest
from file_builders import read_encoded

from file_cdk.core.config import AvroConfig
from file_cdk.core.ports import SplitReport
from file_cdk.formats.avro.format import AvroFormat

FOLDER = Path(__file__).parents[2] / "fixtures" / "avro"
FORMATS = [
    pytest.param(AvroFormat(AvroConfig()), id="columns"),
    pytest.param(AvroFormat(AvroConfig(), columns=False), id="one by one"),
]
ROWS: list[tuple[Any, ...]] = [
    ("UA", 1545, "N14228", "2013-01-01T10:00:00", 2.0, 227, ["EWR", "IAH"], 517, 830),
    ("UA", 1714, "N24211", "2013-01-01T10:00:00", 4.0, 227, ["LGA", "IAH"], 533, 850),
    ("AA", 1141, "N619AA", "2013-01-01T10:00:00", 2.0, 160, ["JFK", "MIA"], 542, 923),
    ("AA", 791, "N3EHAA", "2013-01-02T00:00:00", None, None, ["LGA", "DFW"], None, None),
    ("AA", 1925, "N3EVAA", "2013-01-01T20:00:00", None, None, ["LGA", "MIA"], None, None),
    ("B6", 125, "N618JB", "2013-01-01T11:00:00", None, None, ["JFK", "FLL"], None, None),
]


def expected(*, zone: str, minutes: bool) -> list[dict[str, Any]]:
    records = []
    for carrier, flight, tail, at, delay, air_time, airports, departure, arrival in ROWS:
        record = {"carrier": carrier, "flight": flight, "tailnum": tail, "scheduled": at + zone, "day": "2013-01-01"}
        if delay is not None:
            record |= {"dep_delay": delay, "air_time": air_time}
        record["airports"] = airports
        if minutes:
            record["minutes"] = {"departure": departure, "arrival": arrival}
        records.append(record)
    return records


def records_of(fmt: AvroFormat, name: str) -> list[dict[str, Any]]:
    data, report = (FOLDER / name).read_bytes(), SplitReport()
    records = read_encoded(fmt, data, report)
    assert (report.start, report.end) == (0, len(data))
    return records


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("writer", ["apache-null", "apache-deflate", "apache-snappy", "apache-bzip2", "cavro-deflate"])
def test_writers_that_take_a_schema(fmt: AvroFormat, writer: str) -> None:
    assert records_of(fmt, f"flights-{writer}.avro") == expected(zone=".000+00:00", minutes=True)


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("writer", ["polars-deflate", "polars-snappy", "polars-avro-zstandard", "polars-avro-xz"])
def test_writers_that_make_a_schema(fmt: AvroFormat, writer: str) -> None:
    """Each of their fields may be null."""
    assert records_of(fmt, f"flights-{writer}.avro") == expected(zone="", minutes=False)
