// What a recording's row says of its end.
import type { ConsoleRecording } from '@/api/types'

/** `open`: it goes on. `partial`: it reached the limit of size, some of it was lost, or its region ended before it. */
export function endOf(recording: Pick<ConsoleRecording, 'ended_at' | 'is_whole'>): 'open' | 'whole' | 'partial' {
  if (!recording.ended_at) return 'open'
  return recording.is_whole ? 'whole' : 'partial'
}
