"""Scenarios of the test kit pass where they are right, and fail with what is wrong."""

from collections.abc import Callable
from pathlib import Path

import pytest

from file_cdk import FileAccessError, LocalReader
from file_cdk.testing.scenarios.golden import Golden
from file_cdk.testing.scenarios.memory import Files, GivenFile, memory_source
from file_cdk.testing.scenarios.runs import run_source
from file_cdk.testing.scenarios.scenario import Scenario

STREAMS = [
    {"name": "orders", "globs": ["*.csv"], "format": {"filetype": "csv", "inference_type": "Primitive Types Only"}}
]
LATE_FIRST: Files = {
    "b.csv": GivenFile("id,item\n2,pear\n", "2024-01-02"),
    "a.csv": GivenFile("id,item\n1,apple\n", "2024-01-03"),
}
FIRST = Scenario(
    LATE_FIRST,
    STREAMS,
    schema={"id": "integer", "item": "string"},
    records=[{"id": 2, "item": "pear"}, {"id": 1, "item": "apple"}],
    history=["a.csv", "b.csv"],
    said=[],
)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_scenario_that_is_right(workers: int) -> None:
    FIRST.check(workers)


def test_what_comes_after_goes_on_from_its_state() -> None:
    again = FIRST.then({}, records=[])
    again.then({"c.csv": GivenFile("id,item\n3,plum\n", "2024-01-04")}, records=[{"id": 3, "item": "plum"}]).check()


def test_a_fault_of_one_file() -> None:
    broken = GivenFile("", "2024-01-04", FileAccessError("may not be opened", uri="c.csv"))
    run = Scenario({**LATE_FIRST, "c.csv": broken}, STREAMS, history=["a.csv", "b.csv"]).check()
    assert run.exit_code == 1
    assert any("may not be opened" in text for text in run.said)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (Scenario(LATE_FIRST, STREAMS, schema={"id": "string", "item": "string"}), "schema: .*integer.* instead of"),
        (Scenario(LATE_FIRST, STREAMS, records=[{"id": 1, "item": "apple"}, {"id": 2, "item": "pear"}]), "records: .*"),
        (Scenario(LATE_FIRST, STREAMS, history=["a.csv"]), "history: .*b.csv"),
        (Scenario(LATE_FIRST, STREAMS, said=["a warning"]), "said: .* instead of .*a warning"),
    ],
    ids=["schema", "order", "state", "messages"],
)
def test_a_scenario_that_is_wrong(wrong: Scenario, said: str) -> None:
    with pytest.raises(pytest.fail.Exception, match=said):
        wrong.check()


def test_a_folder_has_the_files_and_their_times(local_bucket: Callable[[Files], Path]) -> None:
    listed = list(
        LocalReader(str(local_bucket({"deep/a.csv": GivenFile("id\n1\n", "2024-01-02"), "b.csv": b"\x00"}))).list_files(
            ""
        )
    )
    assert sorted((file.uri, file.size_bytes, file.modified_at.isoformat()) for file in listed) == [
        ("b.csv", 1, "2024-01-01T00:00:00+00:00"),
        ("deep/a.csv", 5, "2024-01-02T00:00:00+00:00"),
    ]


def test_golden_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = run_source(memory_source(LATE_FIRST), {"streams": STREAMS}).records()
    golden = Golden(tmp_path / "golden")
    with pytest.raises(pytest.fail.Exception, match="there is no golden file"):
        golden.check("orders.jsonl", records)
    monkeypatch.setenv("FILE_CDK_UPDATE_GOLDEN", "1")
    golden.check("orders.jsonl", records)
    monkeypatch.delenv("FILE_CDK_UPDATE_GOLDEN")
    golden.check("orders.jsonl", records)
    with pytest.raises(pytest.fail.Exception, match="differs from its record 2 on"):
        golden.check("orders.jsonl", records[:1])


def test_golden_files_are_beside_the_test(golden: Golden) -> None:
    with pytest.raises(pytest.fail.Exception, match=r"tests/testing/golden/none\.jsonl"):
        golden.check("none.jsonl", [])
