"""The application of the cluster test: what a Flask service usually exposes.

    gunicorn -w 1 --threads 8 -b 127.0.0.1:8000 app:app

GET /work?s=0.02 takes 0.02 seconds, GET /metrics is for Prometheus and GET /healthz for probes. The last two are
neither counted nor timed, so a scrape is not load.
"""

import time

from flask import Flask, Response, request
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest

REQUESTS = Counter("http_requests_total", "Requests answered.", ["handler", "method", "status"])
SECONDS = Histogram(
    "http_request_duration_seconds",
    "Time to answer a request.",
    ["handler", "method"],
    buckets=(0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 1.5, 2),
)
IN_PROGRESS = Gauge("http_requests_inprogress", "Requests being answered.")
UNMEASURED = {"/metrics", "/healthz"}

# A service that has had no request yet says so with a zero; without this line it would say nothing.
REQUESTS.labels("/work", "GET", "200")
SECONDS.labels("/work", "GET")

app = Flask(__name__)


@app.before_request
def begin():
    request.began = time.perf_counter()
    if request.path not in UNMEASURED:
        IN_PROGRESS.inc()


@app.after_request
def end(response):
    if request.path not in UNMEASURED:
        handler = request.url_rule.rule if request.url_rule else "none"
        IN_PROGRESS.dec()
        REQUESTS.labels(handler, request.method, str(response.status_code)).inc()
        SECONDS.labels(handler, request.method).observe(time.perf_counter() - request.began)
    return response


@app.get("/work")
def work():
    time.sleep(min(float(request.args.get("s", "0.02")), 2))
    return "done\n"


@app.get("/healthz")
def healthz():
    return "ok\n"


@app.get("/metrics")
def metrics():
    return Response(generate_latest(), content_type=CONTENT_TYPE_LATEST)
