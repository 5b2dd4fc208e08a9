from django.urls import include, path

from shop import views

urlpatterns = [
    path("orders/<int:number>", views.order, name="order"),
    path("reports/<int:month>", views.report, name="report"),
    path("healthz", views.healthz, name="healthz"),
    path("", include("django_prometheus.urls")),  # /metrics
]
