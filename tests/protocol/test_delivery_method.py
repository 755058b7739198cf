"""What forms are told of the two ways to deliver files: the names and constants of configurations that exist."""

from typing import Any

from file_cdk.core.config import SourceConfig
from file_cdk.protocol.spec import connection_specification

METHOD: dict[str, Any] = connection_specification(SourceConfig)["properties"]["delivery_method"]


def test_what_configurations_hold() -> None:
    facts = [
        {
            name: {key: field[key] for key in ("type", "const", "default") if key in field}
            for name, field in way["properties"].items()
        }
        for way in METHOD["oneOf"]
    ]
    assert facts == [
        {"delivery_type": {"type": "string", "const": "use_records_transfer", "default": "use_records_transfer"}},
        {
            "delivery_type": {"type": "string", "const": "use_file_transfer", "default": "use_file_transfer"},
            "preserve_directory_structure": {"type": "boolean", "default": True},
        },
    ]
    assert [way["required"] for way in METHOD["oneOf"]] == [["delivery_type"], ["delivery_type"]]


def test_everything_says_what_it_is() -> None:
    assert [way["title"] for way in METHOD["oneOf"]] == ["Records", "Files"]
    for way in METHOD["oneOf"]:
        assert way["description"]
        assert all(field["title"] for field in way["properties"].values())
        assert all(field["description"] for field in way["properties"].values() if "const" not in field)
