"""Manifests with configurations, ready to be mirrored: one of our own, and the public ones where they are at hand."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from public_manifests import PUBLIC

ROOT = Path(__file__).parents[2]
OWN = Path(__file__).parent / "manifests" / "library.yaml"
CONFIGURATIONS = ROOT / "fixtures" / "manifests"


def public_names() -> list[str]:
    return [path.stem for path in PUBLIC]


def public_text(name: str) -> str:
    [path] = [path for path in PUBLIC if path.stem == name]
    return path.read_text(encoding="utf-8")


def public_configuration(name: str) -> dict[str, Any]:
    return dict(_dated(json.loads((CONFIGURATIONS / f"{name}.json").read_text())))


def own_configuration() -> dict[str, Any]:
    return {
        "client_id": "client",
        "client_secret": "hush",
        "library": "central",
        "news_key": "key",
        "start_date": _days_ago(12, "%Y-%m-%dT%H:%M:%SZ"),
    }


def _dated(value: Any) -> Any:
    """With `{"days_ago": n, "format": f}` as the midnight of that day: a mirror's records are of the last days."""
    if isinstance(value, dict):
        if value.keys() == {"days_ago", "format"}:
            return _days_ago(value["days_ago"], value["format"])
        return {key: _dated(below) for key, below in value.items()}
    return [_dated(below) for below in value] if isinstance(value, list) else value


def _days_ago(days: int, pattern: str) -> str:
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return (midnight - timedelta(days=days)).strftime(pattern)
