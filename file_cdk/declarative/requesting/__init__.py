"""The request of a page: URL, header fields and body, put together from what requester, paginator and slice say. Pure."""
