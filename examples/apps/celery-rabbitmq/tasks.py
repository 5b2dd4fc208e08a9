"""Mails, thumbnails and exports, as Celery tasks on RabbitMQ with three priorities.

    celery -A tasks worker --concurrency 2
    python3 send.py mail --priority 9 20
"""

import os
import time

from celery import Celery

app = Celery("shop", broker=os.environ.get("BROKER", "amqp://localhost:5672//"))
app.conf.update(
    # On RabbitMQ the largest number is the most urgent. All priorities are one queue.
    task_queue_max_priority=10,
    task_default_priority=5,
    # A worker takes one task for each of its processes, and acknowledges it when it is done: what waits is ready in the
    # queue, what runs is in it unacknowledged.
    worker_prefetch_multiplier=1,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
)


@app.task
def mail(number):
    time.sleep(0.1)


@app.task
def thumbnail(number):
    time.sleep(1)


@app.task
def export(number):
    time.sleep(12)
