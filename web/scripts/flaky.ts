// Names each test that passed only at its second try, with what was wrong at the first: on a busy machine a browser may be late
// once, and what is late again and again is a fault. Where a message shows the page, some of that is told, too. What must not live here: which tests are tried twice (vite.config.ts).
import type { Reporter, TestCase } from 'vitest/node';

/** The line is read in the output of a whole run. */
const MOST_CHARACTERS = 800;

export class Flaky implements Reporter {
  onTestCaseResult(test: TestCase): void {
    if (!test.diagnostic()?.flaky) return;
    const [wrong] = test.result().errors ?? [];
    const place = wrong?.stacks?.find((frame) => frame.file.includes('/tests/'));
    const at = place ? `, ${place.file.replace(/.*\/tests\//, 'tests/')}:${place.line}` : '';
    const said = wrong?.message.split('\n').join(' | ').slice(0, MOST_CHARACTERS);
    console.error(`FLAKY ${test.fullName}: ${said ?? 'it gave no reason'}${at}`);
  }
}
