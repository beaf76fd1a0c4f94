"""resources/*: listing, reading and watching resources.

`Resource` itself and the contents are in content.py, since a block may hold them too.
"""

from typing import Annotated

from django_mcp.protocol.revisions import V2025_06_18

from .base import (
    BaseMetadata,
    CacheableResult,
    Icons,
    InputResponseRequestParams,
    Meta,
    NotificationParams,
    RequestParams,
    Since,
)
from .content import Annotations, AnyResourceContents, Resource
from .pagination import PaginatedResult


class ResourceTemplate(BaseMetadata, Icons):
    """Resources of one shape; `uri_template` is an RFC 6570 template."""

    uri_template: str
    description: str | None = None
    mime_type: str | None = None
    annotations: Annotations | None = None
    meta: Annotated[Meta, Since(V2025_06_18)] = None


class ListResourcesResult(PaginatedResult, CacheableResult):
    """A page of the server's resources."""

    resources: list[Resource]


class ListResourceTemplatesResult(PaginatedResult, CacheableResult):
    """A page of the server's resource templates."""

    resource_templates: list[ResourceTemplate]


class ResourceRequestParams(RequestParams):
    """What a request about one resource holds."""

    uri: str


class ReadResourceRequestParams(ResourceRequestParams, InputResponseRequestParams):
    """resources/read: which resource."""


class ReadResourceResult(CacheableResult):
    """The contents; more than one if the URI stands for several."""

    contents: list[AnyResourceContents]


class SubscribeRequestParams(ResourceRequestParams):
    """resources/subscribe, up to 2025-11-25: whose changes the client wants to hear of."""


class UnsubscribeRequestParams(ResourceRequestParams):
    """resources/unsubscribe, up to 2025-11-25: whose changes it no longer wants to hear of."""


class ResourceUpdatedNotificationParams(NotificationParams):
    """notifications/resources/updated: which resource changed."""

    uri: str
