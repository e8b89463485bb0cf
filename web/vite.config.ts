// How the client is built, and how its tests are grouped. What must not live here: what happens to the built files
// afterwards (scripts/build.mjs).
import { defineConfig } from 'vitest/config';
import { Flaky } from './scripts/flaky.ts';
import { worker } from './scripts/worker.ts';

export default defineConfig({
  plugins: [worker()],
  build: {
    // Chrome 109, Firefox ESR and Safari 15.4 are the oldest that are promised; others get the page in index.html.
    target: ['chrome109', 'firefox115', 'safari15.4'],
    outDir: 'dist',
    assetsDir: 'assets',
    // Nothing may be inlined as data:, which the content security policy refuses.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: {
    // For `npx vite`: the server's own words come from a server on its default port.
    proxy: {
      '/api': { target: 'http://127.0.0.1:8080' },
      '/ws': { target: 'ws://127.0.0.1:8080', ws: true },
    },
  },
  test: {
    reporters: ['default', new Flaky()],
    projects: [
      { test: { name: 'unit', include: ['tests/unit/**/*.test.ts'], environment: 'node' } },
      {
        test: {
          name: 'server',
          include: ['tests/server/**/*.test.ts'],
          environment: 'node',
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: { name: 'measure', include: ['tests/measure/**/*.test.ts'], environment: 'node', fileParallelism: false, testTimeout: 900_000, hookTimeout: 300_000 },
      },
      {
        test: { name: 'screens', include: ['tests/screens/**/*.test.ts'], environment: 'node', maxConcurrency: 2, retry: 1, testTimeout: 300_000, hookTimeout: 120_000 },
      },
      {
        test: {
          name: 'browser',
          include: ['tests/browser/**/*.test.ts'],
          environment: 'node',
          fileParallelism: false,
          // Twice red is red; what passed only at its second try is named.
          retry: 1,
          testTimeout: 180_000,
          hookTimeout: 120_000,
          // A busy machine is slow, not wrong.
          expect: { poll: { timeout: 30_000 } },
        },
      },
    ],
  },
});
