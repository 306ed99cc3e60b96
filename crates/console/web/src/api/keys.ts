// How answers are named in the cache: `[resource, 'list' | 'one' | detail, ...]`, so that live changes and verbs find them.

export const keys = {
  list: (resource: string, query: object) => [resource, 'list', query] as const,
  lists: (resource: string) => [resource, 'list'] as const,
  ones: (resource: string) => [resource, 'one'] as const,
  one: (resource: string, id: string) => [resource, 'one', id] as const,
  detail: (resource: string, id: string, detail: string, query: object = {}) => [resource, 'detail', id, detail, query] as const,
  details: (resource: string, id: string) => [resource, 'detail', id] as const,
}
