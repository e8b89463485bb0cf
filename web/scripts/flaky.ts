// Names each test that passed only at its second try, with what was wrong at the first: on a busy machine a browser may be late
// once, and what is late again and again is a fault. What must not live here: which tests are tried twice (vite.config.ts).
import type { Reporter, TestCase } from 'vitest/node';

export class Flaky implements Reporter {
  onTestCaseResult(test: TestCase): void {
    if (!test.diagnostic()?.flaky) return;
    const [wrong] = test.result().errors ?? [];
    const place = wrong?.stacks?.find((frame) => frame.file.includes('/tests/'));
    const at = place ? `, ${place.file.replace(/.*\/tests\//, 'tests/')}:${place.line}` : '';
    console.error(`FLAKY ${test.fullName}: ${wrong?.message.split('\n', 1)[0] ?? 'it gave no reason'}${at}`);
  }
}
