// People whom nobody has let in yet, as the stories of coming in begin with them: who came leaves after each story, and shows their screen
// if it failed. What must not live here: people who are in already (stage.ts).
import { afterEach } from 'vitest';
import { confess, type Person, person } from './browser';

const here: Person[] = [];

/** Called once in a file, after what has to stay until they have left. */
export function guestsLeave(): void {
  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail') for (const one of here) await confess(one);
    for (const one of here.splice(0)) await one.context.close();
  });
}

/** What a person is made with, but for the browser and the address. */
export type Manner = Parameters<typeof person> extends [unknown, unknown, ...infer Rest] ? Rest : never;

export async function guest(...how: Parameters<typeof person>): Promise<Person> {
  const one = await person(...how);
  here.push(one);
  return one;
}
