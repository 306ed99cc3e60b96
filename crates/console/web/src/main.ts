// Where the console begins: the language first, so that nothing is ever shown as a key.
import './styles/element'
import './styles/theme.css'

import { VueQueryPlugin } from '@tanstack/vue-query'
import { createPinia } from 'pinia'
import { createApp } from 'vue'

import { cache } from '@/api/cache'
import { vPermission } from '@/composables/usePermission'
import { i18n, setLanguage } from '@/i18n'
import { usePreferences } from '@/stores/preferences'
import App from './App.vue'
import { router } from './router'

const app = createApp(App)
app.use(createPinia()).use(i18n).use(VueQueryPlugin, { queryClient: cache })
app.directive('permission', vPermission)

await setLanguage(usePreferences().language)
app.use(router)
await router.isReady()
app.mount('#app')
