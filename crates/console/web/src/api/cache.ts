// The cache of all that region answered: vue-query's, one for the page.
import { QueryClient } from '@tanstack/vue-query'

import { asApiError } from './errors'

export const cache = new QueryClient({
  defaultOptions: {
    queries: {
      // Changes come by the stream; what is looked at again is asked again.
      staleTime: 10_000,
      refetchOnWindowFocus: false,
      retry: (failures, thrown) => failures < 2 && asApiError(thrown).isPassing,
    },
  },
})
