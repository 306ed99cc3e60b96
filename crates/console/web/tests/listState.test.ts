import { describe, expect, it } from 'vitest'

import { queryString } from '@/api/client'
import { readState, regionQuery, writeState, type ListShape } from '@/composables/listState'

const SHAPE: ListShape = { sort: 'name', sortable: ['name', 'created_at'], filters: ['status', 'host'] }

describe('what a list shows, in the URL', () => {
  it('is as usual where the URL says nothing', () => {
    expect(readState({}, SHAPE)).toEqual({ page: 1, limit: 20, sort: 'name', isDescending: false, search: '', filters: {} })
    expect(writeState(readState({}, SHAPE), SHAPE, {})).toEqual({})
  })

  it('comes back as it went', () => {
    const query = { page: '3', limit: '50', sort: '-created_at', search: 'web 1', status: 'rescue,start_rescue', host: 'host1' }
    const state = readState(query, SHAPE)
    expect(state).toEqual({ page: 3, limit: 50, sort: 'created_at', isDescending: true, search: 'web 1', filters: { status: ['rescue', 'start_rescue'], host: ['host1'] } })
    expect(writeState(state, SHAPE, {})).toEqual(query)
  })

  it.each([
    [{ page: '0' }, { page: 1 }],
    [{ page: '-4' }, { page: 1 }],
    [{ page: 'x' }, { page: 1 }],
    [{ page: '1e9' }, { page: 1 }],
    [{ page: ['2', '3'] }, { page: 2 }],
    [{ limit: '7' }, { limit: 20 }],
    [{ limit: '100000' }, { limit: 20 }],
    [{ sort: 'password' }, { sort: 'name', isDescending: false }],
    [{ sort: '-' }, { sort: 'name' }],
    [{ status: ',,' }, { filters: {} }],
    [{ status: null }, { filters: {} }],
    [{ unknown: 'x' }, { filters: {} }],
  ])('is not led astray by %j', (query, expected) => {
    expect(readState(query, SHAPE)).toMatchObject(expected)
  })

  it('leaves alone what is not its own', () => {
    const state = { ...readState({}, SHAPE), search: 'x' }
    expect(writeState(state, SHAPE, { tab: 'tasks', page: '2' })).toEqual({ tab: 'tasks', search: 'x' })
  })

  it('is asked of region as its lists take it', () => {
    const state = readState({ page: '3', limit: '50', sort: '-created_at', search: ' a&b ', status: 'ready,rescue' }, SHAPE)
    expect(queryString(regionQuery(state))).toBe('limit=50&offset=100&order_by=created_at&order=desc&search=a%26b&status.0=ready&status.1=rescue')
  })
})
