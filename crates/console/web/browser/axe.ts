// Accessibility of a page as it stands: no finding of axe that is serious or critical.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

import type { Page } from 'playwright-core'

import type { AxeResults } from 'axe-core'

const source = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

declare global {
  interface Window {
    axe?: { run: (context: unknown, options: unknown) => Promise<AxeResults> }
  }
}

/** What axe finds, one line each: rule, element, what is wrong. A canvas and xterm's own parts have no text to look into. */
export async function findings(page: Page): Promise<string[]> {
  // By the debugger, which the page's CSP does not bind.
  if (!(await page.evaluate(() => window.axe !== undefined))) await page.evaluate(source)
  const results = await page.evaluate(() =>
    window.axe!.run(
      { exclude: [['.xterm-screen']] },
      { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'], resultTypes: ['violations'] },
    ),
  )
  return results.violations
    .filter((found) => found.impact === 'serious' || found.impact === 'critical')
    .flatMap((found) => found.nodes.map((node) => `${found.id} (${found.impact}): ${node.html.slice(0, 160)} — ${node.failureSummary?.replaceAll('\n', ' ')}`))
}
