// `make test-browser`: stories in a real browser (Debian's Chromium) against a whole stack with real QEMU.
//
//   stack.ts     starts the stack, makes servers, talks REST beside the browser; ended with the run
//   browser.ts   a browser that notices each fault a page shows: console errors, uncaught exceptions, violations of the CSP
//   axe.ts       accessibility of the page as it stands
//   telling.ts   what every story has
//   pages.ts     every page, and when it stands
//   *.story.ts   the stories, in the order of their names; they share one stack
//   screenshots.story.ts, png.ts   pictures of every page: `make screenshots`
//
// Variables: LIFEBOAT_BIN (programs, default target/debug), LIFEBOAT_GUESTS, LIFEBOAT_RESCUE_IMAGES, CHROMIUM; SCREENSHOTS=1 takes
// pictures into docs/screenshots instead; HEADED=1 shows the browser; KEEP=1 leaves the stack's folder for reading, STACK=FOLDER takes
// one that runs (`lifeboat up --state FOLDER`).
import { fileURLToPath } from 'node:url'

import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Not by how long each took last time. */
class ByName extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return files.sort((a, b) => a.moduleId.localeCompare(b.moduleId))
  }
}

export default defineConfig({
  cacheDir: fileURLToPath(new URL('../node_modules/.vite', import.meta.url)),
  resolve: { alias: { '@': fileURLToPath(new URL('../src', import.meta.url)) } },
  test: {
    root: fileURLToPath(new URL('.', import.meta.url)),
    include: process.env.SCREENSHOTS ? ['screenshots.story.ts'] : ['[0-9]*.story.ts'],
    environment: 'node',
    globalSetup: ['./stack.setup.ts'],
    fileParallelism: false,
    sequence: { concurrent: false, sequencer: ByName },
    // Guests are emulated; what waits has limits of its own, and they say what was waited for.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    reporters: ['verbose'],
  },
})
