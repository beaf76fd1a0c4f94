"""Where the pages are."""

from __future__ import annotations

from django.conf.urls.i18n import i18n_patterns
from django.contrib.auth.decorators import login_required
from django.urls import include, path, re_path, register_converter
from django.urls.converters import get_converters

from . import views

if "day" not in get_converters():
    register_converter(views.Day, "day")
    register_converter(views.Wind, "wind")

inner = [
    path("<slug:name>/", views.told, name="slug"),
    path("<int:pk>/edit/", views.GroupUpdate.as_view(), name="edit"),
]

urlpatterns = [
    path("told/<int:number>/", views.told, name="told"),
    path("text/<str:name>/", views.told, name="text"),
    path("files/<path:name>", views.told, name="files"),
    path("days/<day:day>/", views.told, name="days"),
    path("winds/<wind:wind>/", views.told, name="winds"),
    path("greet/", views.greet, name="greet"),
    path("agreet/", views.agreet, name="agreet"),
    path("in-german/", views.in_german, name="in-german"),
    path("ids/<uuid:id>/", views.told, name="ids"),
    re_path(r"^old/(?P<year>[0-9]{4})/$", views.told, name="old"),
    re_path(r"^unnamed/([0-9]+)/$", views.told, name="unnamed"),
    path("inner/", include((inner, "inner"))),
    path("who/", views.who, name="who"),
    path("awho/", views.awho, name="awho"),
    path("session/", views.session, name="session"),
    path("members/", views.for_members, name="members"),
    path("editors/", views.for_editors, name="editors"),
    path("default/", views.open_by_default, name="default"),
    path("all/", views.open_to_all, name="all"),
    path("cached/", views.cached, name="cached"),
    path("page/", views.page, name="page"),
    path("picture.png", views.picture, name="picture"),
    path("report/", views.report, name="report"),
    path("export/", views.export, name="export"),
    path("table/", views.table, name="table"),
    path("numbers/<int:pieces>/", views.numbers, name="numbers"),
    path("anumbers/<int:pieces>/", views.anumbers, name="anumbers"),
    path("events/", views.events, name="events"),
    path("data/<str:what>/", views.data, name="data"),
    path("status/<int:code>/", views.status, name="status"),
    path("problem/", views.problem, name="problem"),
    path("raising/<str:kind>/", views.raising, name="raising"),
    path("araising/", views.araising, name="araising"),
    path("moved/", views.moved, name="moved"),
    path("moved-back/", views.moved_with_a_way_back, name="moved-back"),
    path("elsewhere/", views.for_members_elsewhere, name="elsewhere"),
    path("moved-for-good/", views.MovedForGood.as_view(), name="moved-for-good"),
    path("groups/", views.GroupList.as_view(), name="groups"),
    path("groups/new/", views.GroupCreate.as_view(), name="group-create"),
    path("groups/<int:pk>/", views.GroupDetail.as_view(), name="group"),
    path("groups/<int:pk>/delete/", views.GroupDelete.as_view(), name="group-delete"),
    path("login/", views.Login.as_view(), name="login"),
    path("several/", views.Several.as_view(), name="several"),
    path("post/", views.only_post, name="post"),
    path("writes/<str:then>/", views.writes, name="writes"),
    path("writes-at-once/", views.writes_at_once, name="writes-at-once"),
    path("async-beside/", views.async_beside_transactions, name="async-beside"),
    path("json/<int:pk>/", views.group, name="json"),
    path("wrapped/", login_required(views.open_by_default), name="wrapped"),
]

translated = [*urlpatterns, *i18n_patterns(path("local/<int:number>/", views.told, name="local"))]
