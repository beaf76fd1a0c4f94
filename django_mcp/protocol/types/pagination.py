"""Lists that come in pages: the cursor that a request carries and the one that a result brings.

What a cursor means is the server's business; see server/pagination.py.
"""

from .base import Cursor, RequestParams, Result


class PaginatedRequestParams(RequestParams):
    """Where to go on; absent for the first page."""

    cursor: Cursor | None = None


class PaginatedResult(Result):
    """Where the next page begins; absent on the last."""

    next_cursor: Cursor | None = None
