"""Pages without the records that a cursor says are too old or too new."""

from collections.abc import Callable

import msgspec

from file_cdk.declarative.cursors.age import AgeRange
from file_cdk.declarative.page_records import chosen
from file_cdk.declarative.pages import Page, PageReader, Token
from file_cdk.declarative.slices import Slice


class RecentPages(msgspec.Struct, frozen=True):
    """A PageReader. ages: of a slice's records that count. is_data_feed: pages come newest first, so a slice ends with the page
    whose last record is too old."""

    pages: PageReader
    ages: Callable[[Slice], AgeRange | None]
    is_data_feed: bool

    def first(self, of: Slice) -> Token:
        return self.pages.first(of)

    def ahead(self, of: Slice, token: Token) -> Token | None:
        return self.pages.ahead(of, token)

    def page(self, of: Slice, token: Token) -> Page:
        page = self.pages.page(of, token)
        ages = self.ages(of)
        if ages is None or not page.records:
            return page
        is_end = self.is_data_feed and ages.is_too_old(page.cursor_values[-1])
        records, values = chosen(page.records, page.cursor_values, ages.holds)
        if len(records) == len(page.records):
            return page
        return msgspec.structs.replace(
            page,
            records=records,
            cursor_values=values,
            filtered=page.filtered + len(page.records) - len(records),
            following=None if is_end else page.following,
        )
