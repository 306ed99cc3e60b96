// The first page must stay small: what a browser loads until the list of servers stands, with one language, gzipped.
// Also puts back dist/.gitkeep and takes the bundler's manifest out of what is served.
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'

const LIMIT_KB = 250
const dist = new URL('../dist/', import.meta.url)
const manifest = JSON.parse(readFileSync(new URL('.vite/manifest.json', dist), 'utf8'))

const files = new Set()
function take(key) {
  const chunk = manifest[key]
  if (!chunk) throw new Error(`the build has no '${key}': does scripts/budget.mjs still name what there is?`)
  if (files.has(chunk.file)) return
  files.add(chunk.file)
  for (const css of chunk.css ?? []) files.add(css)
  for (const next of chunk.imports ?? []) take(next)
}
take('index.html')
take('src/views/servers/ServersView.vue')
// The larger of the languages.
take('src/locales/zh-CN.json')
take('node_modules/element-plus/es/locale/lang/zh-cn.mjs')
// xterm and noVNC are for those who open a console.
for (const key of Object.keys(manifest)) {
  if (/xterm|novnc/i.test(key) && files.has(manifest[key].file)) throw new Error(`the first page loads ${key}`)
}

const size = (file) => gzipSync(readFileSync(new URL(file, dist)), { level: 9 }).length / 1000
const index = gzipSync(readFileSync(new URL('index.html', dist))).length / 1000
const total = [...files].reduce((sum, file) => sum + size(file), index)
const parts = [...files].map((file) => [file, size(file)]).sort((a, b) => b[1] - a[1])
for (const [file, kb] of parts) console.log(`${kb.toFixed(1).padStart(8)} kB  ${file}`)
console.log(`first page: ${total.toFixed(1)} kB gzipped, of ${LIMIT_KB}`)

rmSync(fileURLToPath(new URL('.vite', dist)), { recursive: true, force: true })
const keep = new URL('.gitkeep', dist)
if (!existsSync(keep)) writeFileSync(keep, '')
if (/<script(?![^>]*\bsrc=)/.test(readFileSync(new URL('index.html', dist), 'utf8'))) {
  console.error('index.html has a script without src: the content security policy refuses it')
  process.exit(1)
}
if (total > LIMIT_KB) {
  console.error(`the first page is too large: make something above load only where it is needed`)
  process.exit(1)
}
