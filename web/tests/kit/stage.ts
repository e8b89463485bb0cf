// How a file of stories begins and ends: one browser, one server and its people for all of it; after each story everybody leaves, and
// if it failed their screens are shown. What must not live here: stories.
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll } from 'vitest';
import type { SignedIn } from '../../src/proto';
import { type Launch, launch } from './browser';
import { Talkers } from './talkers';

export let browser: Browser;
export let both: Talkers;
export let ada: SignedIn;
export let bob: SignedIn;

interface Wants extends Launch {
  /** Of the server. */
  env?: Record<string, string>;
  /** Who is there beside Ada and Bob. */
  others?: readonly string[];
}

/** Called once in a file. */
export function aStage({ env = {}, others = [], ...more }: Wants = {}): void {
  beforeAll(async () => {
    browser = await launch(more);
    both = await Talkers.meet(browser, env, ...others);
    ({ ada, bob } = both);
  });
  afterEach(({ task }) => both?.leave(task.result?.state === 'fail'));
  afterAll(async () => {
    await both?.part();
    await browser?.close();
  });
}
