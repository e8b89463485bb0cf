// A person in any browser that can run a function and press keys: the words that a story is told in where Playwright cannot
// drive. What must not live here: a browser (firefox.ts, webkit.ts), stories.
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';

/** The little that both protocols have. */
export interface Drive {
  goto(url: string): Promise<void>;
  /** The source of a function, called in the page; what it gives, once it is settled, as JSON. */
  run<T>(script: string, ...args: unknown[]): Promise<T>;
  /** Actions of the WebDriver kind. */
  act(actions: object[]): Promise<void>;
  close(): Promise<void>;
}

export function program(name: string, debian: string, places: string[], own?: string): string {
  const found = [own, ...places].find((place) => place && existsSync(place));
  if (!found) throw new Error(`there is no ${name}: install it (on Debian: apt-get install ${debian})`);
  return found;
}

export async function gone(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const end = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await end;
}

export type Kind = 'field' | 'button' | 'heading' | 'text';
interface Spot {
  x: number;
  y: number;
}

const PATIENCE_MS = 40_000;

/** Waits in the page for what has that name and is to be seen, and says where its middle is. Its source goes into the page. */
function find(kind: Kind, name: string, within: string, patience: number): Promise<Spot> {
  const selectors = { field: 'input, textarea', button: 'button, a', heading: 'h1, h2', text: '*' };
  const words = (el: Element) => {
    const labels = [...((el as HTMLInputElement).labels ?? [])].map((label) => label.textContent);
    const own = [...el.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE).map((node) => node.textContent);
    const said = kind === 'text' ? own : [...labels, el.getAttribute('aria-label'), kind === 'field' ? '' : el.textContent];
    return said.map((text) => (text ?? '').trim());
  };
  const seen = (el: Element) => {
    const { width, height } = el.getBoundingClientRect();
    return width > 0 && height > 0;
  };
  const look = () => [...document.querySelectorAll(`${within} :is(${selectors[kind]})`)].find((el) => seen(el) && words(el).includes(name));
  const end = Date.now() + patience;
  return new Promise((resolve, reject) => {
    const turn = () => {
      const el = look();
      if (el) {
        el.scrollIntoView({ block: 'nearest' });
        const box = el.getBoundingClientRect();
        resolve({ x: Math.round(box.left + box.width / 2), y: Math.round(box.top + box.height / 2) });
      } else if (Date.now() > end) reject(new Error(`there is no ${kind} “${name}”: ${location.href}\n${document.body.innerText}`));
      else setTimeout(turn, 30);
    };
    turn();
  });
}

export class Visitor {
  constructor(readonly drive: Drive) {}

  see(kind: Kind, name: string, within = 'body'): Promise<Spot> {
    return this.drive.run(String(find), kind, name, within, PATIENCE_MS);
  }

  async press(kind: Kind, name: string): Promise<void> {
    const { x, y } = await this.see(kind, name);
    await this.drive.act([
      {
        type: 'pointer',
        id: 'mouse',
        parameters: { pointerType: 'mouse' },
        actions: [{ type: 'pointerMove', duration: 0, x, y }, { type: 'pointerDown', button: 0 }, { type: 'pointerUp', button: 0 }],
      },
    ]);
  }

  async fill(name: string, text: string): Promise<void> {
    await this.press('field', name);
    await this.type(text);
  }

  async type(text: string): Promise<void> {
    const actions = [...text].flatMap((value) => [{ type: 'keyDown', value }, { type: 'keyUp', value }]);
    await this.drive.act([{ type: 'key', id: 'keys', actions }]);
  }

  count(selector: string): Promise<number> {
    return this.drive.run('(selector) => document.querySelectorAll(selector).length', selector);
  }
}
