import glob
import os

from prometheus_client import multiprocess

bind = "0.0.0.0:8000"
workers = 4
threads = 2
# Workers look alive by touching a file; on a disk that can block.
worker_tmp_dir = "/dev/shm"


def on_starting(server):
    # The volume outlives a container that restarts: what an earlier gunicorn counted is not ours.
    for file in glob.glob(os.path.join(os.environ.get("PROMETHEUS_MULTIPROC_DIR", "/nowhere"), "*.db")):
        os.remove(file)


def child_exit(server, worker):
    # Live gauges of a worker end with it; what it counted stays, so that counters never fall.
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        multiprocess.mark_process_dead(worker.pid)
