"""Run in an environment with file_cdk and nothing else: it imports, and loads a folder, without any extra."""

import importlib
import pkgutil
import subprocess
import sys
import tempfile
from importlib.metadata import distributions
from pathlib import Path

from file_cdk.core.errors import ConfigError

EXTRAS = {
    "pandas",
    "polars",
    "polars-avro",
    "boto3",
    "google-cloud-storage",
    "azure-storage-blob",
    "paramiko",
    "smart-open",
    "obstore",
    "psycopg",
    "jinja2",
    "deltalake",
    "pyiceberg",
}
EXTRAS |= {"pytest", "hypothesis", "xlsxwriter"}
MODULES_OF_EXTRAS = {
    "file_cdk.declarative.http.network.tunnels": "urllib3",
    **dict.fromkeys(
        (f"file_cdk.declarative.templates.{name}" for name in ("bounded", "budget", "methods", "rewriting", "sandbox")),
        "jinja2",
    ),
    "file_cdk.declarative.templates.filters": "regex",
    "file_cdk.declarative.templates.patterns": "regex",
    "file_cdk.destinations.delta": "deltalake",
    "file_cdk.destinations.files.bucket": "obstore",
    "file_cdk.destinations.files.buckets.gcs": "google",
    "file_cdk.pipeline.library.by_polars": "polars",
}
"""Modules that are imported only where their library is wanted, and which library that is."""
NEEDED = {
    "s3://bucket/x.csv": "s3",
    "gs://bucket/x.csv": "gcs",
    "az://account.blob.core.windows.net/container/x.csv": "azure",
    "sftp://host/x.csv": "sftp",
    "https://host/x.csv": "http",
    "ftp://host/x.csv": "smart-open",
}
"""What cannot be read without an extra, and which that is."""
NEEDED_TO_WRITE = {
    "postgres://host/database": "postgres",
    "delta:lake": "delta",
    "iceberg:lake": "iceberg",
    "s3://bucket/lake/": "s3",
    "gs://bucket/lake/": "gcs",
    "az://container/lake/": "azure",
}
MANIFEST = """\
version: 6.0.0
type: DeclarativeSource
check: {type: CheckStream, stream_names: [people]}
streams:
  - name: people
    schema_loader: {type: InlineSchemaLoader, schema: {}}
    retriever:
      requester: {type: HttpRequester, url_base: "https://api.example.com", path: "/{{ config.team | upper }}"}
      record_selector: {extractor: {field_path: []}}
"""
"""It has a template, which takes the extra `manifests`."""
BIN = Path(sys.executable).parent
FIXTURES = Path(__file__).parents[1] / "fixtures"


def import_everything() -> None:
    for package in map(importlib.import_module, ("file_cdk", "source_local")):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            # The test kit stands on the extra `test`.
            if module.name.startswith("file_cdk.testing"):
                continue
            try:
                importlib.import_module(module.name)
            except (ModuleNotFoundError, ConfigError) as exc:
                # Some say at once which extra it is.
                missing = exc.__context__ if isinstance(exc, ConfigError) else exc
                if str(getattr(missing, "name", "")).partition(".")[0] != MODULES_OF_EXTRAS.get(module.name):
                    raise


def run(*command: str) -> str:
    # S603: the commands are the literals below.
    return subprocess.run([str(BIN / command[0]), *command[1:]], check=True, stdout=subprocess.PIPE, text=True).stdout  # noqa: S603


def refusal(*arguments: str) -> str:
    """What a command says that is wrongly used, which is what it is without an extra."""
    # S603: as above.
    ran = subprocess.run([str(BIN / "file-cdk"), *arguments], capture_output=True, text=True, check=False)  # noqa: S603
    said = ran.stdout + ran.stderr
    assert ran.returncode == 2, f"{arguments}: {ran.returncode}, {said}"
    assert "Traceback" not in said, said
    return said


def name_the_extra() -> None:
    orders = str(FIXTURES / "flights")
    for url, extra in NEEDED.items():
        for command in (("ls",), ("check",), ("preview",), ("schema",), ("sync", "--to", "bare.duckdb")):
            assert f"file-cdk[{extra}]" in refusal(command[0], url, *command[1:])
    for url, extra in NEEDED_TO_WRITE.items():
        for arguments in (
            ("sync", orders, "--to", url),
            ("ls", orders, "--to", url),
            ("status", url),
            ("rejects", url),
        ):
            assert f"file-cdk[{extra}]" in refusal(*arguments)


def manifests_name_the_extra(folder: Path) -> None:
    manifest, config, catalog = (str(folder / name) for name in ("api.yaml", "config.json", "catalog.json"))
    Path(manifest).write_text(MANIFEST)
    Path(config).write_text('{"team": "blue"}')
    Path(catalog).write_text(
        '{"streams": [{"stream": {"name": "people", "json_schema": {}}, "sync_mode": "full_refresh"}]}'
    )
    assert "file-cdk[manifests]" in refusal("manifest", "lint", manifest)
    assert "file-cdk[manifests]" in refusal("sync", manifest, "--config", config, "--to", str(folder / "api.duckdb"))
    given = ("--manifest-path", manifest, "--config", config)
    for command in (("check", *given), ("discover", *given), ("read", *given, "--catalog", catalog)):
        # S603: as above.
        ran = subprocess.run(  # noqa: S603
            [str(BIN / "source-declarative-manifest"), *command], capture_output=True, text=True, check=False
        )
        assert "file-cdk[manifests]" in ran.stdout, ran
        assert "Traceback" not in ran.stdout + ran.stderr, ran


def main() -> None:
    installed = {str(distribution.metadata["Name"]).lower().replace("_", "-") for distribution in distributions()}
    assert not installed & EXTRAS, f"not a bare environment: {sorted(installed & EXTRAS)}"
    import_everything()
    with tempfile.TemporaryDirectory() as folder:
        for name in ("flights", "weather", "planes", "avro/flights-apache-*.avro", "excel/*.xlsx"):
            database = Path(folder, "bare.duckdb")
            table = name.partition("/")[0]
            assert (
                run("file-cdk", "sync", str(FIXTURES / name), "--to", str(database), "--table", table, "--quiet") == ""
            )
            assert database.stat().st_size > 0
        manifests_name_the_extra(Path(folder))
    name_the_extra()
    import file_cdk

    flights = file_cdk.read(FIXTURES / "flights")
    assert flights.to_arrow().num_rows > 0
    for package in ("pandas", "polars"):
        said = ""
        try:
            getattr(flights, f"to_{package}")()
        except file_cdk.ConfigError as error:
            said = str(error)
        assert f"file-cdk[{package}]" in said
    sources = ("azure-blob-storage", "gcs", "http", "local", "s3", "sftp", "smart-open")
    destinations = ("duckdb", "files", "postgres", "sqlite")
    for name in (*(f"source-{each}" for each in sources), *(f"destination-{each}" for each in destinations)):
        assert '"type":"SPEC"' in run(name, "spec").replace(" ", "")


if __name__ == "__main__":
    main()
