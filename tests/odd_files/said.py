"""What a sync says while it runs."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Said:
    """An observer that keeps the warnings."""

    warnings: list[str] = field(default_factory=list)

    def listed(self, *_: Any) -> None: ...
    def progressed(self, *_: Any) -> None: ...
    def file_loaded(self, *_: Any) -> None: ...
    def file_failed(self, *_: Any) -> None: ...
    def warned(self, message: str) -> None:
        self.warnings.append(message)
