"""What the drivers in Python share: what is asked of them, the remote call, and how time is taken.

A driver is called twice. `setup` makes its tables and puts in all tasks; `run` works on them and prints one line of JSON:
seconds from the start of the workers until the database says that all have ended, and how long single tasks took from the
begin of their first step to the end of their last.
"""
import asyncio
import json
import os
import sys
import time

URL = os.environ["DATABASE_URL"]
TASKS = int(os.environ["TASKS"])
AT_ONCE = int(os.environ["AT_ONCE"])
STEPS = 4
SETUP = sys.argv[1] == "setup"


async def remote_call():
    """Stands for a call to another machine."""
    await asyncio.sleep(0.005)


class Race:
    def __init__(self):
        self.begun = {}
        self.took = []
        self.start = time.perf_counter()

    def began(self, task):
        self.begun.setdefault(task, time.perf_counter())

    def ended(self, task):
        self.took.append(time.perf_counter() - self.begun[task])

    async def finish(self, left):
        """Until all tasks are through their last step, and `left` says that none is left in the database."""
        while len(self.took) < TASKS:
            await asyncio.sleep(0.002)
        while await left() > 0:
            await asyncio.sleep(0.002)
        seconds = time.perf_counter() - self.start
        took = sorted(1000 * t for t in self.took)
        at = lambda share: took[min(len(took) - 1, int(len(took) * share))]
        print(json.dumps({"seconds": seconds, "p50_ms": at(0.5), "p99_ms": at(0.99)}), flush=True)
