"""The database is played by a sleep: a request mostly waits for others, as most do."""

import time

from django.http import HttpResponse, JsonResponse


def order(request, number):
    time.sleep(0.06)  # one row by its key
    return JsonResponse({"number": number, "state": "paid"})


def report(request, month):
    time.sleep(0.33)  # all orders of a month
    return JsonResponse({"month": month, "orders": 1200})


def healthz(request):
    return HttpResponse("ok\n")
