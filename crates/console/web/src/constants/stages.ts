// The road of each task when all goes well, so that what is still to come can be shown. Stages beyond it (ways back, leftovers) appear as they happen.
// crates/region/tasks.txt has every task and stage; a test compares, and the locales have a word for each.

export const ROADS: Record<string, readonly string[]> = {
  StartRescueTask: ['preflight', 'prepare_rescue', 'stop_server', 'write_desc', 'rescue_start_server', 'await_ready'],
  StopRescueTask: ['stop_rescue_system', 'restore_desc', 'start_server'],
  RescueRestartTask: ['stop_rescue_system', 'rescue_start_server', 'await_ready'],
  ServerRestartTask: ['stop_server', 'start_server'],
}

/** Stages of the road that are still to come. After a turn back nothing of it is. */
export function toCome(taskName: string, stages: readonly { stage: string; way_back: boolean }[], isComplete: boolean): string[] {
  const road = ROADS[taskName]
  if (!road || isComplete || stages.some((one) => one.way_back)) return []
  const reached = Math.max(...stages.map((one) => road.indexOf(one.stage)), -1)
  return road.slice(reached + 1)
}
