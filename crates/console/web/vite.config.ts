// How the console is built, served while it is developed, and tested.
//   LIFEBOAT_REGION=http://127.0.0.1:PORT npm run dev   serves it at /ui/ in front of that region
import { fileURLToPath } from 'node:url'
import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vitest/config'

const region = process.env.LIFEBOAT_REGION

export default defineConfig({
  base: '/ui/',
  plugins: [vue()],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  define: { __VUE_PROD_DEVTOOLS__: 'false', __INTLIFY_PROD_DEVTOOLS__: 'false', __VUE_I18N_LEGACY_API__: 'false' },
  build: {
    // noVNC awaits at its top level.
    target: 'es2022',
    // No data: URLs: the content security policy has none for fonts and scripts.
    assetsInlineLimit: 0,
    manifest: true,
    rollupOptions: {
      output: {
        manualChunks(id: string) {
          // What most pages need changes seldom: browsers keep it over an upgrade. Consoles' parts stay in chunks of their own.
          if (id.includes('node_modules/@xterm') || id.includes('node_modules/@novnc')) return undefined
          if (/node_modules\/(vue|@vue|vue-router|pinia|vue-i18n|@intlify|@tanstack)\//.test(id)) return 'framework'
          return undefined
        },
      },
    },
  },
  server: {
    host: '127.0.0.1',
    // Host stays the browser's own, so that region sees one origin.
    proxy: region ? { '^/(?!ui(/|$))': { target: region, ws: true, changeOrigin: false } } : undefined,
  },
  test: {
    environment: 'happy-dom',
    include: ['tests/**/*.test.ts', 'src/**/*.test.ts'],
    restoreMocks: true,
  },
})
