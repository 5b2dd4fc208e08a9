"""Orders, as a FastAPI application in one process: uvicorn app:app.

The database is played by a sleep behind a pool of ten connections: asynchronous code waits at no cost, so neither its
processor nor its number of processes says how busy it is. What is measured is what Pitot's presets http-concurrency
and http-rps read. /metrics and /healthz are not counted, so a scrape is not load.
"""

import asyncio
import time

from fastapi import FastAPI, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Histogram, generate_latest

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
pool = asyncio.Semaphore(10)  # connections to the database


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
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


# A route that has had no request yet says so with a zero; without this it would say nothing.
for handler in ("/orders/{number}", "/reports/{month}"):
    REQUESTS.labels(handler, "GET", "200")
    SECONDS.labels(handler, "GET")
