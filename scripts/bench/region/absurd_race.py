"""absurd: a task of four steps. A worker has one connection, so there are eight of them with a share each."""
import asyncio
import os

import psycopg
import uvloop
from absurd_sdk import AsyncAbsurd
from absurdctl import BUNDLED_SCHEMA_SQL

from race import AT_ONCE, SETUP, STEPS, TASKS, URL, Race, remote_call

QUEUE = "default"
WORKERS = 8


async def setup():
    async with await psycopg.AsyncConnection.connect(URL, autocommit=True) as conn:
        await conn.execute(BUNDLED_SCHEMA_SQL)
        app = AsyncAbsurd(conn, queue_name=QUEUE)
        await app.create_queue()
        app.register_task("rescue")(lambda params, ctx: None)
        async with conn.transaction():
            for task in range(TASKS):
                await app.spawn("rescue", {"task": task})


async def run():
    race = Race()

    async def rescue(params, ctx):
        race.began(params["task"])
        for step in range(1, STEPS + 1):
            await ctx.step(f"step-{step}", call)
        race.ended(params["task"])

    async def call():
        await remote_call()
        return {"ok": True}

    probe = await psycopg.AsyncConnection.connect(URL, autocommit=True)

    async def left():
        row = await (await probe.execute("SELECT count(*) FROM absurd.t_default WHERE state <> 'completed'")).fetchone()
        return row[0]

    workers = []
    for number in range(WORKERS):
        app = AsyncAbsurd(URL, queue_name=QUEUE)
        app.register_task("rescue")(rescue)
        share = AT_ONCE // WORKERS
        workers.append(asyncio.create_task(app.start_worker(f"worker-{number}", concurrency=share, poll_interval=0.02)))
    finish = asyncio.create_task(race.finish(left))
    await asyncio.wait([finish, *workers], return_when=asyncio.FIRST_COMPLETED)
    for worker in workers:
        if worker.done():
            await worker
    os._exit(0)


uvloop.run(setup() if SETUP else run())
