"""Moments moved to the boundaries of days, weeks or months."""

from datetime import datetime, timedelta
from typing import Literal

import msgspec

WEEKDAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")


class Clamp(msgspec.Struct, frozen=True):
    """weekday: that a week begins with, from 0 for Monday."""

    unit: Literal["DAY", "WEEK", "MONTH"]
    weekday: int = 0

    def up(self, moment: datetime) -> datetime:
        """The next boundary, or this one. The first of a month and the first day of a week stay, whatever the time of day: at
        their midnight, which is earlier."""
        day = _midnight(moment)
        match self.unit:
            case "DAY":
                return day if day == moment else day + timedelta(days=1)
            case "WEEK":
                return day + timedelta(days=(self.weekday - day.weekday()) % 7)
            case "MONTH":
                return day if day.day == 1 else (day.replace(day=1) + timedelta(days=31)).replace(day=1)

    def down(self, moment: datetime) -> datetime:
        day = _midnight(moment)
        match self.unit:
            case "DAY":
                return day
            case "WEEK":
                return day - timedelta(days=(day.weekday() - self.weekday) % 7)
            case "MONTH":
                return day.replace(day=1)


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)
