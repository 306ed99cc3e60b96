// What region, or the way to it, refused: as an `ApiError`, and in the words of the reader.
import type { ErrorBody, ErrorClass } from './types'

/** Each class there is, in the order of docs/api.md; the locales have a title and a next step for each. */
export const ERROR_CLASSES = [
  'InputParameterError',
  'UnauthorizedError',
  'ForbiddenError',
  'ResourceNotFoundError',
  'ActionNotFoundError',
  'MethodNotAllowedError',
  'InvalidStatusError',
  'DuplicateResourceError',
  'ConflictError',
  'PreconditionFailedError',
  'PayloadTooLargeError',
  'UnsupportedMediaTypeError',
  'TooManyRequestsError',
  'InternalServerError',
  'ServiceUnavailableError',
  'OutOfResource',
] as const satisfies readonly ErrorClass[]

/** `NetworkError`: nothing came back. `UnknownError`: what came back was not region's. */
export type FaultClass = ErrorClass | 'NetworkError' | 'UnknownError'

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/

export class ApiError extends Error {
  constructor(
    readonly kind: FaultClass,
    /** What was wrong and what would be right, as region says it. */
    readonly details: string,
    /** 0 where there was no answer. */
    readonly status: number,
    readonly requestId: string | null,
    /** Seconds after which it may be tried again. */
    readonly retryAfter: number | null = null,
  ) {
    super(details)
    this.name = 'ApiError'
  }

  /** The task that stands in the way, where `details` names one. */
  get taskId(): string | null {
    if (this.kind !== 'ConflictError' && this.kind !== 'InvalidStatusError') return null
    return /task/i.test(this.details) ? (UUID.exec(this.details)?.[0] ?? null) : null
  }

  /** Whether the same request may succeed by itself a little later. */
  get isPassing(): boolean {
    return this.kind === 'NetworkError' || this.kind === 'ServiceUnavailableError' || this.kind === 'TooManyRequestsError'
  }
}

function isClass(value: unknown): value is ErrorClass {
  return ERROR_CLASSES.includes(value as ErrorClass)
}

const BY_STATUS: Record<number, ErrorClass> = {
  400: 'InputParameterError',
  401: 'UnauthorizedError',
  403: 'ForbiddenError',
  404: 'ResourceNotFoundError',
  405: 'MethodNotAllowedError',
  409: 'ConflictError',
  412: 'PreconditionFailedError',
  413: 'PayloadTooLargeError',
  415: 'UnsupportedMediaTypeError',
  429: 'TooManyRequestsError',
  500: 'InternalServerError',
  502: 'ServiceUnavailableError',
  503: 'ServiceUnavailableError',
  504: 'ServiceUnavailableError',
  507: 'OutOfResource',
}

/** Reads the error of an answer; also of one that a proxy wrote. */
export async function errorOf(response: Response): Promise<ApiError> {
  const header = response.headers.get('x-request-id')
  const after = Number(response.headers.get('retry-after'))
  const retryAfter = Number.isFinite(after) && after > 0 ? after : null
  const text = await response.text().catch(() => '')
  let body: Partial<ErrorBody> = {}
  try {
    const parsed: unknown = JSON.parse(text)
    if (parsed && typeof parsed === 'object') body = parsed as Partial<ErrorBody>
  } catch {
    // Not region's JSON: a proxy's page. Its status still says something.
  }
  const kind = isClass(body.class) ? body.class : (BY_STATUS[response.status] ?? 'UnknownError')
  const details = typeof body.details === 'string' && body.details ? body.details : `HTTP ${response.status} ${response.statusText}`.trim()
  return new ApiError(kind, details, response.status, body.request_id ?? header, retryAfter)
}

/** Anything thrown, as an `ApiError`. */
export function asApiError(thrown: unknown): ApiError {
  if (thrown instanceof ApiError) return thrown
  const details = thrown instanceof Error ? thrown.message : String(thrown)
  return new ApiError('UnknownError', details, 0, null)
}
