"""What holds in every test."""

import gc
import os
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# No test fails for what else its machine does.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

# A sync of a local folder waits until its youngest file is a second old: tests write and sync at once. See test_settle.
os.environ.setdefault("FILE_CDK_SETTLE", "0")


def pytest_collection_finish() -> None:
    """What collecting made stays: looking at all of it again, at each full collection of garbage, takes a tenth of the time of
    the tests."""
    gc.collect()
    gc.freeze()


def _lake(server: str, scheme: str) -> Any:
    """A fixture: the URL of a folder in a new bucket of the server that this fixture is, for which the environment has
    credentials."""

    @pytest.fixture
    def lake(request: pytest.FixtureRequest, bucket_name: str, monkeypatch: pytest.MonkeyPatch) -> str:
        store = request.getfixturevalue(server)
        store.create_bucket(bucket_name)
        variables = {
            "s3": lambda: {
                "AWS_ENDPOINT_URL": store.endpoint,
                "AWS_ACCESS_KEY_ID": store.access_key,
                "AWS_SECRET_ACCESS_KEY": store.secret_key,
                "AWS_REGION": store.region,
            },
            "az": lambda: {
                "AZURE_STORAGE_ENDPOINT": store.endpoint,
                "AZURE_STORAGE_ACCOUNT_NAME": store.account,
                "AZURE_STORAGE_ACCOUNT_KEY": store.account_key,
            },
            "gs": lambda: {"STORAGE_EMULATOR_HOST": store.endpoint},
        }
        for name, value in variables[scheme]().items():
            monkeypatch.setenv(name, value)
        return f"{scheme}://{bucket_name}/lake/deep/"

    return lake


s3_lake = _lake("seaweedfs", "s3")
azure_lake = _lake("azurite", "az")
gcs_lake = _lake("fake_gcs", "gs")
