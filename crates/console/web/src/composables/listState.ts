// What a list shows, in the URL: page, size, order, search, filters. So that a view can be linked, kept and gone back to.
//
// `?page=2&limit=50&sort=-created_at&search=web&status=rescue,start_rescue`
import { computed, type ComputedRef } from 'vue'
import { useRoute, useRouter, type LocationQuery, type LocationQueryRaw } from 'vue-router'

export const LIMITS = [20, 50, 100, 200] as const

export interface ListState {
  page: number
  limit: number
  /** A column, and whether it is descending. */
  sort: string
  isDescending: boolean
  search: string
  filters: Record<string, string[]>
}

export interface ListShape {
  /** As in the URL: `name`, `-created_at`. */
  sort: string
  /** Columns that may be sorted; others in the URL are ignored. */
  sortable: readonly string[]
  /** Columns that may be filtered by value. */
  filters: readonly string[]
  limit?: number
}

function first(value: LocationQuery[string] | undefined): string {
  return (Array.isArray(value) ? value[0] : value) ?? ''
}

export function readState(query: LocationQuery, shape: ListShape): ListState {
  const usual = shape.limit ?? LIMITS[0]
  const page = Number.parseInt(first(query.page), 10)
  const limit = Number(first(query.limit))
  const wanted = first(query.sort)
  const sort = shape.sortable.includes(wanted.replace(/^-/, '')) ? wanted : shape.sort
  const filters: Record<string, string[]> = {}
  for (const name of shape.filters) {
    const values = first(query[name])
      .split(',')
      .filter((one) => one !== '')
    if (values.length > 0) filters[name] = values
  }
  return {
    page: page >= 1 && page < 1e6 ? page : 1,
    limit: (LIMITS as readonly number[]).includes(limit) ? limit : usual,
    sort: sort.replace(/^-/, ''),
    isDescending: sort.startsWith('-'),
    search: first(query.search),
    filters,
  }
}

/** The URL's part of it; what is as usual is left out. Other keys of the URL stay. */
export function writeState(state: ListState, shape: ListShape, before: LocationQuery): LocationQueryRaw {
  const query: LocationQueryRaw = { ...before }
  const put = (key: string, value: string, usual: string) => {
    if (value === usual) delete query[key]
    else query[key] = value
  }
  put('page', String(state.page), '1')
  put('limit', String(state.limit), String(shape.limit ?? LIMITS[0]))
  put('sort', `${state.isDescending ? '-' : ''}${state.sort}`, shape.sort)
  put('search', state.search, '')
  for (const name of shape.filters) put(name, (state.filters[name] ?? []).join(','), '')
  return query
}

/** As region's lists take it. */
export function regionQuery(state: ListState): Record<string, string | number | readonly string[]> {
  return {
    limit: state.limit,
    offset: (state.page - 1) * state.limit,
    order_by: state.sort,
    order: state.isDescending ? 'desc' : 'asc',
    ...(state.search.trim() ? { search: state.search.trim() } : {}),
    ...state.filters,
  }
}

export interface UseListState {
  state: ComputedRef<ListState>
  /** Changes it; but for `page` itself, every change goes back to the first page. `replace`: without a step in the history. */
  set: (patch: Partial<ListState>, options?: { replace?: boolean }) => void
  setFilter: (name: string, values: readonly string[]) => void
  sortBy: (column: string) => void
  query: ComputedRef<ReturnType<typeof regionQuery>>
}

export function useListState(shape: ListShape): UseListState {
  const route = useRoute()
  const router = useRouter()
  const state = computed(() => readState(route.query, shape))

  function set(patch: Partial<ListState>, options: { replace?: boolean } = {}): void {
    const next = { ...state.value, page: 1, ...patch }
    const query = writeState(next, shape, route.query)
    void (options.replace ? router.replace({ query, hash: route.hash }) : router.push({ query, hash: route.hash }))
  }

  return {
    state,
    set,
    setFilter: (name, values) => set({ filters: { ...state.value.filters, [name]: [...values] } }),
    sortBy: (column) => set({ sort: column, isDescending: state.value.sort === column ? !state.value.isDescending : false }),
    query: computed(() => regionQuery(state.value)),
  }
}
