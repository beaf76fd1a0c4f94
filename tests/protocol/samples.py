"""A maximal value of every wire type: each field of each class is set somewhere in here.

The tests beside this module encode them for each revision. `PARAMS` and `RESULTS` have one for each
method, `OTHERS` what travels in no message of its own.
"""

from __future__ import annotations

from typing import Any

from django_mcp.protocol import types as t

META = {"example.org/trace": "00-1", "progressToken": "token"}
OBJECT_SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}

ICON = t.Icon(src="https://x.org/i.png", mime_type="image/png", sizes=["48x48"], theme="dark")
IMPLEMENTATION = t.Implementation(
    name="library",
    title="Library",
    version="1.0",
    description="Books.",
    website_url="https://x.org",
    icons=[ICON],
)
ANNOTATIONS = t.Annotations(
    audience=["user", "assistant"], priority=0.5, last_modified="2026-07-28T12:00:00Z"
)

# ----------------------------------------------------------------------------------------- content

TEXT = t.TextContent(text="3", annotations=ANNOTATIONS, meta=META)
IMAGE = t.ImageContent(data="AAAA", mime_type="image/png", annotations=ANNOTATIONS, meta=META)
AUDIO = t.AudioContent(data="AAAA", mime_type="audio/wav", annotations=ANNOTATIONS, meta=META)
TEXT_RESOURCE = t.TextResourceContents(
    uri="file:///a.txt", mime_type="text/plain", text="a", meta=META
)
BLOB_RESOURCE = t.BlobResourceContents(
    uri="file:///a.bin", mime_type="application/octet-stream", blob="AAAA", meta=META
)
_RESOURCE: dict[str, Any] = {
    "uri": "file:///a.txt",
    "name": "a",
    "title": "A",
    "description": "The first.",
    "mime_type": "text/plain",
    "annotations": ANNOTATIONS,
    "size": 1,
    "icons": [ICON],
    "meta": META,
}
RESOURCE = t.Resource(**_RESOURCE)
LINK = t.ResourceLink(**_RESOURCE)
EMBEDDED_TEXT = t.EmbeddedResource(resource=TEXT_RESOURCE, annotations=ANNOTATIONS, meta=META)
EMBEDDED_BLOB = t.EmbeddedResource(resource=BLOB_RESOURCE, annotations=ANNOTATIONS, meta=META)
BLOCKS: list[t.ContentBlock] = [TEXT, IMAGE, AUDIO, LINK, EMBEDDED_TEXT, EMBEDDED_BLOB]
TOOL_USE = t.ToolUseContent(id="1", name="weather", input={"city": "Paris"}, meta=META)
TOOL_RESULT = t.ToolResultContent(
    tool_use_id="1", content=BLOCKS, structured_content={"degrees": 20}, is_error=True, meta=META
)

# ------------------------------------------------------------------------- what a server offers

TOOL = t.Tool(
    name="weather",
    title="Weather",
    description="Tells the weather.",
    input_schema=OBJECT_SCHEMA,
    output_schema=OBJECT_SCHEMA,
    execution=t.ToolExecution(task_support="optional"),
    annotations=t.ToolAnnotations(
        title="Weather",
        read_only_hint=True,
        destructive_hint=False,
        idempotent_hint=True,
        open_world_hint=True,
    ),
    icons=[ICON],
    meta=META,
)
TEMPLATE = t.ResourceTemplate(
    uri_template="file:///{path}",
    name="file",
    title="File",
    description="A file.",
    mime_type="text/plain",
    annotations=ANNOTATIONS,
    icons=[ICON],
    meta=META,
)
PROMPT = t.Prompt(
    name="review",
    title="Review",
    description="Reviews a book.",
    arguments=[t.PromptArgument(name="book", title="Book", description="Which.", required=True)],
    icons=[ICON],
    meta=META,
)
CLIENT_CAPABILITIES = t.ClientCapabilities(
    experimental={"x": {"y": 1}},
    roots=t.RootsCapability(list_changed=True),
    sampling=t.SamplingCapability(context={}, tools={}),
    elicitation=t.ElicitationCapability(form={}, url={}),
    tasks={"list": {}, "cancel": {}, "requests": {"sampling": {"createMessage": {}}}},
    extensions={"org.example/x": {"y": 1}},
)
SERVER_CAPABILITIES = t.ServerCapabilities(
    experimental={"x": {"y": 1}},
    logging={},
    completions={},
    prompts=t.PromptsCapability(list_changed=True),
    resources=t.ResourcesCapability(subscribe=True, list_changed=True),
    tools=t.ToolsCapability(list_changed=True),
    tasks={"list": {}, "cancel": {}, "requests": {"tools": {"call": {}}}},
    extensions={"org.example/x": {"y": 1}},
)

# ------------------------------------------------------------------------------- what is asked

_NAMED: dict[str, Any] = {"title": "A field", "description": "What it is."}
_OPTIONS = [t.EnumOption(const="a", title="A"), t.EnumOption(const="b", title="B")]
FIELDS: dict[str, t.PrimitiveSchemaDefinition] = {
    "string": t.StringSchema(
        **_NAMED, min_length=1, max_length=50, format="email", default="a@x.org"
    ),
    "number": t.NumberSchema(**_NAMED, minimum=0, maximum=9, default=3),
    "integer": t.NumberSchema(type="integer", minimum=0, maximum=9, default=3),
    "boolean": t.BooleanSchema(**_NAMED, default=True),
    "untitled": t.UntitledSingleSelectEnumSchema(**_NAMED, enum=["a", "b"], default="a"),
    "titled": t.TitledSingleSelectEnumSchema(**_NAMED, one_of=_OPTIONS, default="a"),
    "several untitled": t.UntitledMultiSelectEnumSchema(
        **_NAMED,
        min_items=1,
        max_items=2,
        items=t.UntitledItems(enum=["a", "b"]),
        default=["a"],
    ),
    "several titled": t.TitledMultiSelectEnumSchema(
        **_NAMED, min_items=1, max_items=2, items=t.TitledItems(any_of=_OPTIONS), default=["a"]
    ),
    "legacy": t.LegacyTitledEnumSchema(
        **_NAMED, enum=["a", "b"], enum_names=["A", "B"], default="a"
    ),
}
FORM = t.ElicitRequestFormParams(
    message="Who are you?",
    requested_schema=t.RequestedSchema(
        schema_uri="https://json-schema.org/draft/2020-12/schema",
        properties=FIELDS,
        required=["string", "several titled"],
    ),
    meta=META,
)
URL = t.ElicitRequestURLParams(
    message="Log in.", url="https://x.org/login", elicitation_id="1", meta=META
)
MESSAGES = [
    t.SamplingMessage(role="user", content=TEXT, meta=META),
    t.SamplingMessage(role="user", content=IMAGE),
    t.SamplingMessage(role="user", content=AUDIO),
    t.SamplingMessage(role="assistant", content=[TEXT, IMAGE, TOOL_USE]),
    t.SamplingMessage(role="user", content=[TOOL_RESULT]),
]
SAMPLING = t.CreateMessageRequestParams(
    messages=MESSAGES,
    model_preferences=t.ModelPreferences(
        hints=[t.ModelHint(name="small")],
        cost_priority=0.1,
        speed_priority=0,
        intelligence_priority=1,
    ),
    system_prompt="Be brief.",
    include_context="none",
    temperature=0.5,
    max_tokens=100,
    stop_sequences=["\n"],
    metadata={"x": 1},
    tools=[TOOL],
    tool_choice=t.ToolChoice(mode="auto"),
    meta=META,
)
SAMPLED = t.CreateMessageResult(
    role="assistant", content=TEXT, model="m", stop_reason="endTurn", meta=META
)
ROOTS = t.ListRootsResult(roots=[t.Root(uri="file:///", name="all", meta=META)], meta=META)
ELICITED = t.ElicitResult(action="accept", content={"string": "a", "boolean": True}, meta=META)

_REQUEST_META: dict[str, Any] = {
    **META,
    t.META_PROTOCOL_VERSION: "2026-07-28",
    t.META_CLIENT_CAPABILITIES: {"roots": {}},
    t.META_CLIENT_INFO: {"name": "client", "version": "1"},
    t.META_LOG_LEVEL: "info",
}
_ANSWERS: dict[str, Any] = {
    "input_responses": {"a": SAMPLED, "b": ROOTS, "c": ELICITED, "d": {"action": "decline"}},
    "request_state": "sealed",
}
_REQUEST: dict[str, Any] = {"meta": _REQUEST_META}
_PAGE = t.PaginatedRequestParams(cursor="next", meta=_REQUEST_META)
_FILTER = t.SubscriptionFilter(
    tools_list_changed=True,
    prompts_list_changed=True,
    resources_list_changed=True,
    resource_subscriptions=["file:///a.txt"],
)
_COMPLETION: dict[str, Any] = {
    "argument": t.CompletionArgument(name="book", value="a"),
    "context": t.CompletionContext(arguments={"shelf": "1"}),
    "meta": _REQUEST_META,
}
_NOTIFICATION = t.NotificationParams(meta=META)

PARAMS: dict[str, list[t.WireModel]] = {
    "initialize": [
        t.InitializeRequestParams(
            protocol_version="2025-11-25",
            capabilities=CLIENT_CAPABILITIES,
            client_info=IMPLEMENTATION,
            meta=META,
        )
    ],
    "server/discover": [t.RequestParams(**_REQUEST)],
    "ping": [t.RequestParams(meta=META)],
    "tools/list": [_PAGE],
    "tools/call": [
        t.CallToolRequestParams(name="weather", arguments={"city": "P"}, **_ANSWERS, **_REQUEST)
    ],
    "resources/list": [_PAGE],
    "resources/templates/list": [_PAGE],
    "resources/read": [t.ReadResourceRequestParams(uri="file:///a.txt", **_ANSWERS, **_REQUEST)],
    "resources/subscribe": [t.SubscribeRequestParams(uri="file:///a.txt", meta=META)],
    "resources/unsubscribe": [t.UnsubscribeRequestParams(uri="file:///a.txt", meta=META)],
    "prompts/list": [_PAGE],
    "prompts/get": [
        t.GetPromptRequestParams(name="review", arguments={"book": "1"}, **_ANSWERS, **_REQUEST)
    ],
    "completion/complete": [
        t.CompleteRequestParams(ref=t.PromptReference(name="review", title="R"), **_COMPLETION),
        t.CompleteRequestParams(
            ref=t.ResourceTemplateReference(uri="file:///{path}"), **_COMPLETION
        ),
    ],
    "logging/setLevel": [t.SetLevelRequestParams(level="info", meta=META)],
    "subscriptions/listen": [t.SubscriptionsListenRequestParams(notifications=_FILTER, **_REQUEST)],
    "elicitation/create": [FORM, URL],
    "sampling/createMessage": [SAMPLING],
    "roots/list": [t.RequestParams(meta=META)],
    "notifications/initialized": [_NOTIFICATION],
    "notifications/roots/list_changed": [_NOTIFICATION],
    "notifications/progress": [
        t.ProgressNotificationParams(
            progress_token=1, progress=0.5, total=2, message="Half.", meta=META
        ),
    ],
    "notifications/message": [
        t.LoggingMessageNotificationParams(level="info", logger="x", data={"a": 1}, meta=META),
        t.LoggingMessageNotificationParams(level="info", data=None),
    ],
    "notifications/tools/list_changed": [_NOTIFICATION],
    "notifications/prompts/list_changed": [_NOTIFICATION],
    "notifications/resources/list_changed": [_NOTIFICATION],
    "notifications/resources/updated": [
        t.ResourceUpdatedNotificationParams(uri="file:///a.txt", meta=META)
    ],
    "notifications/elicitation/complete": [
        t.ElicitationCompleteNotificationParams(elicitation_id="1", meta=META)
    ],
    "notifications/subscriptions/acknowledged": [
        t.SubscriptionsAcknowledgedNotificationParams(notifications=_FILTER, meta=META)
    ],
    "notifications/cancelled": [
        t.CancelledNotificationParams(request_id=1, reason="Enough.", meta=META)
    ],
}

_CACHED: dict[str, Any] = {"ttl_ms": 1000, "cache_scope": "public", "meta": META}
_PAGED: dict[str, Any] = {"next_cursor": "next", **_CACHED}

RESULTS: dict[str, list[t.WireModel]] = {
    "initialize": [
        t.InitializeResult(
            protocol_version="2025-11-25",
            capabilities=SERVER_CAPABILITIES,
            server_info=IMPLEMENTATION,
            instructions="Ask for books.",
            meta=META,
        )
    ],
    "server/discover": [
        t.DiscoverResult(
            supported_versions=["2026-07-28"],
            capabilities=SERVER_CAPABILITIES,
            instructions="Ask for books.",
            **_CACHED,
        )
    ],
    "ping": [t.EmptyResult(meta=META)],
    "tools/list": [t.ListToolsResult(tools=[TOOL], **_PAGED)],
    "tools/call": [
        t.CallToolResult(
            content=BLOCKS, structured_content={"degrees": 20}, is_error=True, meta=META
        ),
        t.CallToolResult(content=[], structured_content=[1, None]),
    ],
    "resources/list": [t.ListResourcesResult(resources=[RESOURCE], **_PAGED)],
    "resources/templates/list": [
        t.ListResourceTemplatesResult(resource_templates=[TEMPLATE], **_PAGED)
    ],
    "resources/read": [t.ReadResourceResult(contents=[TEXT_RESOURCE, BLOB_RESOURCE], **_CACHED)],
    "resources/subscribe": [t.EmptyResult(meta=META)],
    "resources/unsubscribe": [t.EmptyResult(meta=META)],
    "prompts/list": [t.ListPromptsResult(prompts=[PROMPT], **_PAGED)],
    "prompts/get": [
        t.GetPromptResult(
            description="A review.",
            messages=[t.PromptMessage(role="user", content=block) for block in BLOCKS],
            meta=META,
        )
    ],
    "completion/complete": [
        t.CompleteResult(completion=t.Completion(values=["a"], total=1, has_more=False), meta=META)
    ],
    "logging/setLevel": [t.EmptyResult(meta=META)],
    "subscriptions/listen": [t.SubscriptionsListenResult(meta={t.META_SUBSCRIPTION_ID: 1})],
    "elicitation/create": [ELICITED, t.ElicitResult(action="cancel")],
    "sampling/createMessage": [
        SAMPLED,
        t.CreateMessageResult(role="assistant", content=[TEXT, TOOL_USE], model="m"),
    ],
    "roots/list": [ROOTS],
}

INPUT_REQUIRED = t.InputRequiredResult(
    input_requests={
        "form": t.ElicitRequest(params=FORM),
        "url": t.ElicitRequest(params=URL),
        "sampling": t.CreateMessageRequest(params=SAMPLING),
        "roots": t.ListRootsRequest(params=t.RequestParams(meta=META)),
    },
    request_state="sealed",
    meta=META,
)
REQUEST_META = t.RequestMetaObject(
    progress_token=1,
    protocol_version="2026-07-28",
    client_capabilities=CLIENT_CAPABILITIES,
    client_info=IMPLEMENTATION,
    log_level="info",
)

OTHERS: dict[str, t.WireModel] = {
    "InputRequiredResult": INPUT_REQUIRED,
    "RequestMetaObject": REQUEST_META,
    "NotificationMetaObject": t.NotificationMetaObject(subscription_id=1),
    "ResultMetaObject": t.ResultMetaObject(server_info=IMPLEMENTATION),
    "SubscriptionsListenResultMetaObject": t.SubscriptionsListenResultMetaObject(
        server_info=IMPLEMENTATION, subscription_id=1
    ),
}


def every_sample() -> list[t.WireModel]:
    """List all of them."""
    groups = (*PARAMS.values(), *RESULTS.values(), OTHERS.values())
    return [sample for group in groups for sample in group]
