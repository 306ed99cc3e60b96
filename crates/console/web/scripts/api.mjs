// Writes src/api/schema.d.ts from region's checked-in OpenAPI document; a test compares the two.
import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'
import openapiTS, { astToString } from 'openapi-typescript'

const document = new URL('../../../region/openapi.json', import.meta.url)
export const file = new URL('../src/api/schema.d.ts', import.meta.url)

export async function generate() {
  const nodes = await openapiTS(JSON.parse(await readFile(document, 'utf8')))
  return `// Made by \`npm run api\` from crates/region/openapi.json; not to be changed by hand.\n${astToString(nodes)}`
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await writeFile(file, await generate())
  console.error(`wrote ${fileURLToPath(file)}`)
}
