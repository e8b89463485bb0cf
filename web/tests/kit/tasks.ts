// What a page's own thread did, from the browser's trace: its tasks in the processor's time, which does not grow when other programs
// want the processor, too. What must not live here: what is done meanwhile, and what is expected.
import type { Browser, Page } from 'playwright-core';

interface Step {
  name: string;
  ph: string;
  pid: number;
  tid: number;
  ts: number;
  dur?: number;
  tdur?: number;
  args?: { name?: string };
}

export interface Task {
  /** Of the processor, and by the clock, in milliseconds. */
  took: number;
  clock: number;
  /** What it was spent on, the most first; what is within another is counted there. */
  parts: [string, number][];
}

const CATEGORIES = ['toplevel', 'blink', 'devtools.timeline', 'disabled-by-default-devtools.timeline', 'v8', 'cc'];
const TASK = /RunTask$/;

/** The tasks of the page that was busiest, the longest first. */
export async function tasks(browser: Browser, page: Page, work: () => Promise<void>): Promise<Task[]> {
  await browser.startTracing(page, { categories: CATEGORIES });
  await work();
  const { traceEvents } = JSON.parse((await browser.stopTracing()).toString()) as { traceEvents: Step[] };
  const mains = new Set(traceEvents.filter((one) => one.name === 'thread_name' && one.args?.name === 'CrRendererMain').map(placeOf));
  const steps = traceEvents.filter((one) => one.ph === 'X');
  const all = [...mains].map((place) => cut(steps.filter((one) => placeOf(one) === place))).sort((one, other) => sum(other) - sum(one));
  return all[0] ?? [];
}

const placeOf = ({ pid, tid }: Step) => `${pid}/${tid}`;
const sum = (all: Task[]) => all.reduce((more, { took }) => more + took, 0);
const ms = (us = 0) => us / 1_000;

function cut(steps: Step[]): Task[] {
  steps.sort((one, other) => one.ts - other.ts || (other.dur ?? 0) - (one.dur ?? 0));
  const found: { task: Step; within: Step[] }[] = [];
  for (const step of steps) {
    const last = found.at(-1);
    if (last && step.ts < last.task.ts + (last.task.dur ?? 0)) last.within.push(step);
    else if (TASK.test(step.name)) found.push({ task: step, within: [] });
  }
  return found.map(({ task, within }) => ({ took: ms(task.tdur), clock: ms(task.dur), parts: spent(task, within) })).sort((one, other) => other.took - one.took);
}

/** Each step's own time, without that of those within it. */
function spent(task: Step, within: Step[]): [string, number][] {
  const own = new Map<string, number>();
  const open: Step[] = [task];
  const add = (name: string, time: number) => own.set(name, (own.get(name) ?? 0) + time);
  add(task.name, ms(task.tdur));
  for (const step of within) {
    while (open.length > 1 && step.ts >= open.at(-1)!.ts + (open.at(-1)!.dur ?? 0)) open.pop();
    add(step.name, ms(step.tdur));
    add(open.at(-1)!.name, -ms(step.tdur));
    open.push(step);
  }
  return [...own].sort(([, one], [, other]) => other - one);
}
