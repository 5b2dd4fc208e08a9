"""Orders, as a FastAPI application in the workers of gunicorn.

As in ../fastapi-uvicorn, but for several processes: each has a loop and a pool of its own, and /metrics answers for
all of them, whichever is asked.
"""

import asyncio
import os
import time

from fastapi import FastAPI, Request, Response
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
UNCOUNTED = {"/metrics", "/healthz"}

app = FastAPI()
pool = asyncio.Semaphore(5)  # connections to the database, of each worker


@app.middleware("http")
async def measure(request: Request, call_next):
    if request.url.path in UNCOUNTED:
        return await call_next(request)
    began, status = time.perf_counter(), 500
    try:
        response = await call_next(request)
        status = response.status_code
        return response
    finally:
        route = request.scope.get("route")
        handler = route.path if route else "none"
        REQUESTS.labels(handler, request.method, str(status)).inc()
        SECONDS.labels(handler, request.method).observe(time.perf_counter() - began)


@app.get("/orders/{number}")
async def order(number: int):
    async with pool:
        await asyncio.sleep(0.06)  # one row by its key
    return {"number": number, "state": "paid"}


@app.get("/reports/{month}")
async def report(month: int):
    async with pool:
        await asyncio.sleep(0.33)  # all orders of a month
    return {"month": month, "orders": 1200}


@app.get("/healthz")
async def healthz():
    return "ok"


@app.get("/metrics")
async def metrics():
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:  # the sum of all workers, whichever answers
        registry = CollectorRegistry()
        MultiProcessCollector(registry)
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


# A route that has had no request yet says so with a zero; without this it would say nothing.
for handler in ("/orders/{number}", "/reports/{month}"):
    REQUESTS.labels(handler, "GET", "200")
    SECONDS.labels(handler, "GET")
