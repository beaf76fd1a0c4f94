"""An API of Django REST framework, with what projects have around one."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group, User
from django_filters import rest_framework as filters
from rest_framework import mixins, serializers, viewsets
from rest_framework.authentication import SessionAuthentication, TokenAuthentication
from rest_framework.decorators import action, api_view, permission_classes
from rest_framework.exceptions import AuthenticationFailed, NotFound
from rest_framework.filters import OrderingFilter, SearchFilter
from rest_framework.pagination import LimitOffsetPagination, PageNumberPagination
from rest_framework.parsers import FormParser
from rest_framework.permissions import (
    BasePermission,
    DjangoModelPermissions,
    IsAuthenticated,
)
from rest_framework.response import Response
from rest_framework.routers import DefaultRouter
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.urls import urlpatterns as login_patterns  # noqa: F401 - loads its views
from rest_framework.views import APIView


class Tokens(TokenAuthentication):
    """Tokens that are kept nowhere: "token-ann" is ann's."""

    def authenticate_credentials(self, key: str) -> Any:
        user = User.objects.filter(username=key.removeprefix("token-")).first()
        if user is None or not key.startswith("token-"):
            raise AuthenticationFailed("No such token.")
        return user, key


class NotOnSundays(BasePermission):
    """Looks at everything a permission may look at."""

    message = "Not on Sundays."

    def has_permission(self, request: Any, view: Any) -> bool:
        assert request.build_absolute_uri().startswith("http")
        assert request._request.resolver_match is not None
        assert request.method
        return request.query_params.get("search") != "sunday"

    def has_object_permission(self, request: Any, view: Any, obj: Any) -> bool:
        return obj.name != "locked"


class Twice(SimpleRateThrottle):
    rate = "2/hour"

    def get_cache_key(self, request: Any, view: Any) -> str:
        return f"twice-{request.user.pk}"


class Pages(PageNumberPagination):
    page_size = 2
    page_size_query_param = "size"


class Envelope(Pages):
    """Writes pages of its own."""

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"all": data})


class Unlimited(LimitOffsetPagination):
    """Has pages where the caller asks for them."""

    default_limit = None


class MemberSerializer(serializers.Serializer):
    name = serializers.CharField(max_length=10, help_text="As it is said.")
    role = serializers.ChoiceField(choices=[("r", "Reader"), ("w", "Writer")], default="r")
    age = serializers.IntegerField(min_value=0, max_value=150, required=False, allow_null=True)


class Tree(serializers.Serializer):
    """Contains itself."""

    name = serializers.CharField()

    def get_fields(self) -> Any:
        fields = super().get_fields()
        fields["children"] = Tree(many=True, required=False)
        fields["parent"] = Tree(required=False)
        return fields


class GroupSerializer(serializers.ModelSerializer):
    members = MemberSerializer(many=True, write_only=True, required=False)
    maker = serializers.HiddenField(default=serializers.CurrentUserDefault())
    shout = serializers.SerializerMethodField()

    class Meta:
        model = Group
        fields = ("id", "name", "permissions", "members", "maker", "shout")
        extra_kwargs = {"permissions": {"required": False}}  # noqa: RUF012

    def get_shout(self, group: Group) -> str:
        return group.name.upper()

    def validate_name(self, name: str) -> str:
        if name == "bad":
            raise serializers.ValidationError("That is a bad name.")
        return name

    def create(self, validated: dict[str, Any]) -> Group:
        members = validated.pop("members", [])
        maker = validated.pop("maker")
        validated["name"] += "".join(f"+{member['name']}({member['role']})" for member in members)
        validated["name"] += f" by {maker}"
        return super().create(validated)


class GroupFilter(filters.FilterSet):
    starts = filters.CharFilter(field_name="name", lookup_expr="startswith")

    class Meta:
        model = Group
        fields = ("name",)


class GroupViewSet(viewsets.ModelViewSet):
    """The groups there are."""

    queryset = Group.objects.order_by("name")
    serializer_class = GroupSerializer
    authentication_classes = (Tokens, SessionAuthentication)
    permission_classes = (IsAuthenticated, NotOnSundays)
    filter_backends = (filters.DjangoFilterBackend, SearchFilter, OrderingFilter)
    filterset_class = GroupFilter
    search_fields = ("name",)
    ordering_fields = ("name", "id")
    pagination_class = Pages

    @action(detail=True, methods=["post"], serializer_class=MemberSerializer)
    def invite(self, request: Any, pk: str) -> Response:
        """Invite somebody to a group."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        return Response({"invited": serializer.validated_data, "to": self.get_object().name})

    @action(detail=False, throttle_classes=[Twice])
    def count(self, request: Any) -> Response:
        """Count the groups."""
        return Response(self.get_queryset().count())


class EnvelopeViewSet(GroupViewSet):
    pagination_class = Envelope


class UnlimitedViewSet(GroupViewSet):
    pagination_class = Unlimited


class EditorsViewSet(mixins.UpdateModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet):
    queryset = Group.objects.all()
    serializer_class = GroupSerializer
    permission_classes = (DjangoModelPermissions,)
    authentication_classes = (Tokens,)
    parser_classes = (FormParser,)


class MoodyViewSet(viewsets.GenericViewSet):
    """Has a serializer for one user and none for another."""

    queryset = Group.objects.all()

    def get_serializer_class(self) -> Any:
        return {"ann": GroupSerializer}[self.request.user.username]

    def create(self, request: Any) -> Response:
        """Take what ann may give."""
        return Response({})


@api_view(["GET", "POST"])
@permission_classes([IsAuthenticated])
def echo(request: Any) -> Response:
    """Say it again."""
    auth = str(request.auth)
    return Response({"user": request.user.username, "auth": auth, "data": request.data})


class Plain(APIView):
    """A view with no serializer of its own."""

    def get(self, request: Any) -> Response:
        """Find nothing."""
        raise NotFound("There is nothing here to find.")

    def post(self, request: Any) -> Response:
        """Take a tree."""
        serializer = Tree(data=request.data)
        serializer.is_valid(raise_exception=True)
        return Response(serializer.data, status=201)

    def delete(self, request: Any) -> Response:
        """Break."""
        raise RuntimeError("hush-hush")


router = DefaultRouter()
router.register("groups", GroupViewSet)
router.register("editors", EditorsViewSet, "editor")
router.register("envelopes", EnvelopeViewSet, "envelope")
router.register("unlimited", UnlimitedViewSet, "unlimited")
router.register("moody", MoodyViewSet, "moody")
