"""Mails and exports, as Celery tasks on Redis with three priorities.

    celery -A tasks worker --concurrency 2
    python3 send.py mail --priority 0 20
"""

import os
import time

from celery import Celery

app = Celery("shop", broker=os.environ.get("BROKER", "redis://localhost:6379/0"))
app.conf.update(
    # On Redis 0 is the most urgent. Each step but 0 is a list of its own: celery, celery\x06\x163, celery\x06\x169.
    broker_transport_options={"priority_steps": [0, 3, 9], "queue_order_strategy": "priority"},
    task_default_priority=3,
    # A worker reserves one task for each of its processes, and gives it back if it dies: what waits is on the lists,
    # what runs is in the hash unacked.
    worker_prefetch_multiplier=1,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
)


@app.task
def mail(number):
    time.sleep(0.1)


@app.task
def export(number):
    time.sleep(12)
