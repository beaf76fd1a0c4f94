"""The library's pages."""

from django.urls import path

from . import views

app_name = "library"
urlpatterns = [
    path("", views.start, name="start"),
    path("books/", views.BookList.as_view(), name="books"),
    path("books/<int:pk>/", views.BookDetail.as_view(), name="book"),
    path("next-door/", views.next_door, name="next-door"),
    path("books/<int:pk>/cover.png", views.cover, name="cover"),
]
