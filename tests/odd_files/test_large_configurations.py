"""Configurations that are too large to be any: refused at once, by a limit that is said."""

import json
import subprocess
from pathlib import Path

import pytest
import warm

from file_cdk import ConfigError, SyncOptions, sync


def comments(path: Path, size_bytes: int) -> Path:
    line = b"# " + b"x" * 61 + b"\n"
    path.write_bytes(line * (size_bytes // len(line)))
    return path


@pytest.mark.parametrize("ending", ["yaml", "yml"])
def test_yaml_of_100_mb_is_refused_at_once(tmp_path: Path, ending: str) -> None:
    source = comments(tmp_path / f"big.{ending}", 100_000_000)
    with pytest.raises(ConfigError, match=f"big.{ending} is larger than 2 MiB, which no configuration is"):
        sync(source, tmp_path / "x.duckdb")
    assert not (tmp_path / "x.duckdb").exists()


def test_yaml_without_an_end_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is larger than 2 MiB"):
        sync("/dev/zero", tmp_path / "x.duckdb", SyncOptions(connector="file"))


def test_json_of_a_connector_is_refused_as_well(tmp_path: Path) -> None:
    config = {"path": str(tmp_path), "streams": [], "more": "x" * 3_000_000}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ConfigError, match="is larger than 2 MiB"):
        sync(tmp_path / "config.json", tmp_path / "x.duckdb", SyncOptions(connector="file"))


def test_json_data_is_not(tmp_path: Path) -> None:
    (tmp_path / "data.json").write_text(json.dumps({"a": "x" * 3_000_000}))
    assert sync(tmp_path / "data.json", tmp_path / "x.duckdb", SyncOptions(workers=0)).streams[0].rows == 1


def test_a_connector_bounds_its_configuration_and_not_its_state(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id\n1\n")
    stream = {"name": "s", "globs": ["*.csv"], "format": {"filetype": "csv"}}
    config = {"path": str(tmp_path), "streams": [stream]}
    described = {"name": "s", "json_schema": {}, "supported_sync_modes": ["full_refresh", "incremental"]}
    catalog = {"streams": [{"stream": described, "sync_mode": "incremental", "destination_sync_mode": "append"}]}
    history = {f"{'x' * 1000}{number}.csv": "2024-01-01T00:00:00.000000Z" for number in range(10_000)}
    state = [{
        "type": "STREAM",
        "stream": {"stream_descriptor": {"name": "s"}, "stream_state": {"history": history}},
    }]  # fmt: skip
    for name, value in (("config", config), ("catalog", catalog), ("state", state)):
        (tmp_path / f"{name}.json").write_text(json.dumps(value))
    (tmp_path / "large.json").write_text(json.dumps({**config, "more": "x" * (9 << 20)}))
    assert (tmp_path / "state.json").stat().st_size > 9 << 20

    def run(config_name: str) -> "subprocess.CompletedProcess[str]":
        names = {"--config": config_name, "--catalog": "catalog.json", "--state": "state.json"}
        arguments = [part for option, name in names.items() for part in (option, f"{tmp_path}/{name}")]
        return warm.captured("source-local", "read", *arguments, "--workers", "0")

    assert '"id":"1"' in run("config.json").stdout
    refused = run("large.json")
    assert refused.returncode == 1
    assert "is larger than 8 MiB, which no config is" in refused.stdout
