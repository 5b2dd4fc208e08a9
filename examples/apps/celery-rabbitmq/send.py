"""Sends tasks: python3 send.py mail --priority 9 20"""

import argparse

import tasks

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("task", choices=["mail", "thumbnail", "export"])
parser.add_argument("--priority", type=int, default=5, choices=range(11), metavar="0…10")
parser.add_argument("number", type=int)
arguments = parser.parse_args()

for number in range(arguments.number):
    getattr(tasks, arguments.task).apply_async((number,), priority=arguments.priority)
