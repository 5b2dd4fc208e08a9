"""Settings of a Django application that is measured by django-prometheus."""

import os

SECRET_KEY = os.environ["SECRET_KEY"]
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "shop.urls"
WSGI_APPLICATION = "shop.wsgi.application"
USE_TZ = True
INSTALLED_APPS = ["django_prometheus"]
MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",  # the first
    "django.middleware.common.CommonMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",  # the last
]
# 0.4 is the target of the HPA, 80 % of an objective of 500 ms: a quantile is exact at a bound.
PROMETHEUS_LATENCY_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 10, float("inf"))
# Each worker would start a thread that counts migrations; there is no database.
PROMETHEUS_EXPORT_MIGRATIONS = False
