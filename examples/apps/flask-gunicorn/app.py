"""Orders, as a Flask application.

The database is played by a sleep: a request mostly waits for others, as most do. What is measured is what Pitot's
presets http-concurrency and http-rps read: a counter and a histogram by route. /metrics and /healthz are not counted,
so a scrape is not load.
"""

import os
import time

from flask import Flask, Response, jsonify, request
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

REQUESTS = Counter("http_requests_total", "Requests answered.", ["handler", "method", "status"])
SECONDS = Histogram(
    "http_request_duration_seconds",
    "Time to answer a request.",
    ["handler", "method"],
    # 0.4 is the target of the HPA, 80 % of an objective of 500 ms: a quantile is exact at a bound.
    buckets=(0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 10),
)
UNCOUNTED = {"metrics", "healthz"}

app = Flask(__name__)


@app.before_request
def begin():
    request.began = time.perf_counter()


@app.after_request
def end(response):
    if request.endpoint not in UNCOUNTED:
        route = request.url_rule.rule if request.url_rule else "none"
        REQUESTS.labels(route, request.method, str(response.status_code)).inc()
        SECONDS.labels(route, request.method).observe(time.perf_counter() - request.began)
    return response


@app.get("/orders/<int:number>")
def order(number):
    time.sleep(0.06)  # one row by its key
    return jsonify(number=number, state="paid")


@app.get("/reports/<int:month>")
def report(month):
    time.sleep(0.33)  # all orders of a month
    return jsonify(month=month, orders=1200)


@app.get("/healthz")
def healthz():
    return "ok\n"


@app.get("/metrics")
def metrics():
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:  # the sum of all workers, whichever answers
        registry = CollectorRegistry()
        MultiProcessCollector(registry)
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


# A route that has had no request yet says so with a zero; without this it would say nothing.
for route in ("/orders/<int:number>", "/reports/<int:month>"):
    REQUESTS.labels(route, "GET", "200")
    SECONDS.labels(route, "GET")
