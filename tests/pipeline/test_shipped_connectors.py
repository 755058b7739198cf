"""The connectors that are found without a look at what else is installed."""

import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from file_cdk.core.errors import ConfigError
from file_cdk.pipeline import sources
from file_cdk.pipeline.sources import CONNECTORS, SHIPPED, connector_for


def test_they_are_those_that_the_distribution_announces() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert project["entry-points"][CONNECTORS] == {
        scheme: f"{package}.source:connector" for scheme, package in SHIPPED.items()
    }


@pytest.mark.parametrize("scheme", SHIPPED)
def test_each_is_the_one_of_its_entry_point(scheme: str) -> None:
    [announced] = entry_points(group=CONNECTORS, name=scheme)
    assert connector_for(scheme) is announced.load()


def test_others_are_looked_up_among_the_entry_points(monkeypatch: pytest.MonkeyPatch) -> None:
    assert connector_for("source-local") is connector_for("file")
    monkeypatch.setattr(sources, "SHIPPED", {})
    assert connector_for("file").name == "source-local"
    with pytest.raises(ConfigError, match="no connector is installed for gopher"):
        connector_for("gopher")
