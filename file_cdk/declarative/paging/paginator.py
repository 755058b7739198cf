"""A paginator as a plan has it: tokens, and where they go in a request."""

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from file_cdk.core.errors import AnswerError, ConfigError
from file_cdk.declarative.components.paging import (
    CursorPagination,
    DefaultPaginator,
    NoPagination,
    OffsetIncrement,
    PageIncrement,
    RequestPath,
)
from file_cdk.declarative.pages import Token
from file_cdk.declarative.paging.cursors import AnswerCursors
from file_cdk.declarative.paging.increments import Offsets, PageNumbers
from file_cdk.declarative.paging.sizes import PageSize, page_size
from file_cdk.declarative.paging.turn import Turn
from file_cdk.declarative.requesting.parts import Injection, Parts, injection
from file_cdk.declarative.templates import Condition, Template


class Strategy(Protocol):
    """What a token's value is after another one's. names: what its templates look at. texts: of these."""

    @property
    def first(self) -> Any: ...

    @property
    def names(self) -> frozenset[str]: ...

    @property
    def texts(self) -> tuple[str, ...]: ...

    def next(self, value: Any, turn: Turn, /) -> Any:
        """None, or anything else that is false, after the last page."""

    def after(self, value: Any, /) -> Any:
        """What it is after a full page, where that follows from the value alone; else None."""


class OnePage(msgspec.Struct, frozen=True):
    first: None = None
    names: frozenset[str] = frozenset()
    texts: tuple[str, ...] = ()

    def next(self, _value: Any, _turn: Turn) -> None:
        return None

    def after(self, _value: Any) -> None:
        return None


class Paginator(msgspec.Struct, frozen=True):
    """is_path: whether a token is a URL, or the path of one. size: what page_size_option sends."""

    strategy: Strategy
    token_option: Injection | None = None
    is_path: bool = False
    size_option: Injection | None = None
    size: int | None = None

    def first(self) -> Token:
        return self._token(0, self.strategy.first, None)

    def following(self, token: Token, turn: Turn) -> Token | None:
        """Raises AnswerError for a token that was there before: paging would never end."""
        value = self.strategy.next(token.value, turn)
        if not value:
            return None
        anchor = _anchor(token)
        if repr(value) in (repr(token.value), repr(anchor)):  # 1, 1.0 and True are three tokens
            raise AnswerError(
                f"the token of the next page was there before, up to page {token.number}",
                remedy="Give the paginator a stop_condition that holds on the last page, or another cursor_value",
            )
        return self._token(token.number + 1, value, anchor)

    def ahead(self, token: Token) -> Token | None:
        value = self.strategy.after(token.value)
        return self._token(token.number + 1, value, _anchor(token)) if value else None

    def parts(self, token: Token) -> Parts:
        """What goes into the request of a page."""
        parts: Parts = {}
        if self.token_option and token.value is not None:
            self.token_option.put(token.value, parts)
        if self.size_option and self.size:
            self.size_option.put(self.size, parts)
        return parts

    def path(self, token: Token) -> str | None:
        return str(token.value) if self.is_path and token.value else None

    def _token(self, number: int, value: Any, anchor: Any) -> Token:
        return Token(number, value, is_next_known=bool(self.strategy.after(value)), anchor=anchor)


def _anchor(token: Token) -> Any:
    """The token that later ones are held against: that of the last page whose number is a power of two. So a circle of any length
    is found while a token knows but one earlier one (R. P. Brent, An improved Monte Carlo factorization algorithm, 1980)."""
    return token.value if token.number & (token.number - 1) == 0 else token.anchor


def paginator(component: DefaultPaginator | NoPagination | None, config: Mapping[str, Any], where: str) -> Paginator:
    """Raises ConfigError for what cannot be, such as a page size that is to be sent and is not there."""
    if component is None or isinstance(component, NoPagination):
        return Paginator(OnePage())
    written = component.pagination_strategy
    if not isinstance(written, PageIncrement | OffsetIncrement | CursorPagination):
        raise ConfigError(f"{where}: {written.class_name} is code of the connector's own, which is not supported yet")
    size = page_size(written.page_size, config, written.parameters, f"{where}.pagination_strategy")
    option, token_option = component.page_size_option, component.page_token_option
    if option and not size.number:
        raise ConfigError(
            f"{where}: there is a page_size_option, but no page_size", remedy="Add page_size to the strategy"
        )
    size_option = injection(option, config, f"{where}.page_size_option") if option else None
    token_place = None
    if token_option and not isinstance(token_option, RequestPath):
        token_place = injection(token_option, config, f"{where}.page_token_option")
        if size_option and size_option.clashes_with(token_place):
            raise ConfigError(f"{where}: page_size_option and page_token_option put their values in the same place")
    return Paginator(
        _strategy(written, size, where),
        token_place,
        is_path=isinstance(token_option, RequestPath),
        size_option=size_option,
        size=size.number,
    )


def _strategy(written: PageIncrement | OffsetIncrement | CursorPagination, size: PageSize, where: str) -> Strategy:
    if isinstance(written, PageIncrement):
        start = written.start_from_page
        return PageNumbers(start, start if written.inject_on_first_request else None, size)
    if isinstance(written, OffsetIncrement):
        return Offsets(0 if written.inject_on_first_request else None, size)
    where = f"{where}.pagination_strategy"
    strategy = AnswerCursors(
        Template(written.cursor_value, f"{where}.cursor_value"),
        Condition(written.stop_condition, f"{where}.stop_condition") if written.stop_condition else None,
        size.number,
        written.parameters,
    )
    if size.number is None and "page_size" in strategy.names:
        raise ConfigError(f"{where}: a template looks at page_size, and there is none", remedy="Add page_size to it")
    return strategy
