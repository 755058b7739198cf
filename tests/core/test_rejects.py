from file_cdk.core.ports import MAX_RAW_BYTES, MAX_RAW_BYTES_KEPT, MAX_REJECTS_KEPT, Reject, Rejects, SplitReport


def test_rejected_records_are_numbered_among_all_records() -> None:
    report = SplitReport(rows=3)
    report.skipped["asked for"] += 1
    report.reject(10, "bad", b"x")
    report.rows += 2
    report.reject(20, "worse")
    assert report.rows_present == 8
    assert report.rejects.first == [Reject(5, 10, "bad", b"x"), Reject(8, 20, "worse")]


def test_rows_of_a_later_split_count_those_before_it() -> None:
    first, later = SplitReport(rows=1), SplitReport()
    first.reject(5, "bad")
    later.reject(9, "bad", b"y")
    whole = Rejects()
    whole.update(first.rejects, 0)
    whole.update(later.rejects, first.rows_present)
    assert [(reject.row, reject.byte) for reject in whole.first] == [(2, 5), (3, 9)]
    assert whole.counts == {"bad": 2}


def test_what_is_kept_is_bounded_and_all_is_counted() -> None:
    rejects = Rejects()
    for number in range(MAX_REJECTS_KEPT + 5):
        rejects.add(Reject(number, None, "bad", b"x" * (MAX_RAW_BYTES + 1)))
    assert rejects.total() == MAX_REJECTS_KEPT + 5
    assert len(rejects.first) == MAX_REJECTS_KEPT
    kept = [len(reject.raw) for reject in rejects.first if reject.raw is not None]
    assert set(kept) == {MAX_RAW_BYTES}
    assert sum(kept) == MAX_RAW_BYTES_KEPT
