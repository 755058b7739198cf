import logging

from file_cdk.cli.screen.display import logs_to


def test_records_of_the_package_become_lines() -> None:
    lines: list[str] = []
    with logs_to(lines.append, logging.WARNING):
        logging.getLogger("file_cdk.engine.workers.pool").warning("worker %d died", 3)
        logging.getLogger("file_cdk.engine.workers.pool").info("not shown")
        logging.getLogger("elsewhere").warning("not ours")
    assert lines == ["warning: worker 3 died"]


def test_a_traceback_is_one_call_per_line() -> None:
    lines: list[str] = []
    with logs_to(lines.append, logging.DEBUG):
        try:
            raise KeyError("k")
        except KeyError:
            logging.getLogger("file_cdk").exception("failed")
    assert lines[:2] == ["error: failed", "Traceback (most recent call last):"]
    assert lines[-1] == "KeyError: 'k'"


def test_afterwards_all_is_as_before() -> None:
    package = logging.getLogger("file_cdk")
    before = package.level, package.propagate, list(package.handlers)
    lines: list[str] = []
    with logs_to(lines.append, logging.DEBUG):
        package.debug("once")
    package.debug("not any more")
    assert lines == ["debug: once"]
    assert (package.level, package.propagate, list(package.handlers)) == before
