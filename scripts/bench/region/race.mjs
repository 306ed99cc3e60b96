// What the drivers in JavaScript share: what is asked of them, the remote call, and how time is taken.
//
// A driver is called twice. `setup` makes its tables and puts in all tasks; `run` works on them and prints one line of
// JSON: seconds from the start of the workers until the database says that all have ended, and how long single tasks took
// from the begin of their first step to the end of their last.

export const url = process.env.DATABASE_URL
export const tasks = Number(process.env.TASKS)
export const atOnce = Number(process.env.AT_ONCE)
export const STEPS = 4

// Stands for a call to another machine.
export const remoteCall = () => new Promise((done) => setTimeout(done, 5))

export class Race {
  begun = new Map()
  took = []
  start = performance.now()

  began(task) {
    if (!this.begun.has(task)) this.begun.set(task, performance.now())
  }

  ended(task) {
    this.took.push(performance.now() - this.begun.get(task))
    if (this.took.length === tasks) this.last()
  }

  // Until all tasks are through their last step, and `left` says that none is left in the database.
  async finish(left) {
    await new Promise((done) => { this.last = done })
    while ((await left()) > 0) await new Promise((done) => setTimeout(done, 2))
    const seconds = (performance.now() - this.start) / 1000
    const sorted = this.took.toSorted((a, b) => a - b)
    const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]
    console.log(JSON.stringify({ seconds, p50_ms: at(0.5), p99_ms: at(0.99) }))
  }
}
