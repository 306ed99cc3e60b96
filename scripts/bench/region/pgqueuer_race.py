"""pgqueuer: four chained jobs, on a pool of connections, with the largest batch that 200 jobs at once allow."""
import asyncio
import json
import os

import asyncpg
import uvloop
from pgqueuer import PgQueuer, Queries
from pgqueuer.adapters.drivers.asyncpg import AsyncpgPoolDriver

from race import AT_ONCE, SETUP, STEPS, TASKS, URL, Race, remote_call


async def setup():
    async with asyncpg.create_pool(URL, min_size=1, max_size=2) as pool:
        queries = Queries(AsyncpgPoolDriver(pool))
        await queries.install()
        payloads = [json.dumps({"task": task, "step": 1}).encode() for task in range(TASKS)]
        await queries.enqueue(["step"] * TASKS, payloads, [0] * TASKS)


async def run():
    async with asyncpg.create_pool(URL, min_size=4, max_size=20) as pool:
        queuer = PgQueuer.from_asyncpg_pool(pool)
        queries = Queries(AsyncpgPoolDriver(pool))
        race = Race()

        @queuer.entrypoint("step")
        async def step(job):
            data = json.loads(job.payload)
            race.began(data["task"])
            await remote_call()
            if data["step"] < STEPS:
                data["step"] += 1
                await queries.enqueue("step", json.dumps(data).encode())
            else:
                race.ended(data["task"])

        async def left():
            return await pool.fetchval("SELECT count(*) FROM pgqueuer")

        work = asyncio.create_task(queuer.qm.run(batch_size=AT_ONCE // 2, max_concurrent_tasks=AT_ONCE))
        finish = asyncio.create_task(race.finish(left))
        await asyncio.wait([work, finish], return_when=asyncio.FIRST_COMPLETED)
        if not finish.done():
            await work
        os._exit(0)


uvloop.run(setup() if SETUP else run())
