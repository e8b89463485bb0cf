// What is about to be sent, above the line in which one writes: previews to look at and take away, the limit, and the
// recorder. What must not live here: how files are made ready (shrink.ts), and how they go (the engine).
import { signal } from '@preact/signals';
import { uuidv7 } from '../../engine/ids';
import type { Storage } from '../../proto';
import { explained, words } from '../../i18n';
import { bytesText, fileWords } from '../../i18n/files';
import { engine } from '../state';
import './shown.css';
import { placeOf } from './attach';
import { routes, useOwn } from './media';
import { Player } from './player';
import { Recorder, type Spoken } from './record';
import { Ending } from './show';
import type { To } from './slot';
import { prepare, type Prepared } from './shrink';

interface Picked {
  id: string;
  /** As it was chosen. */
  file: File;
  /** As it goes, once that is known. */
  ready?: Prepared;
  done: Promise<Prepared>;
  wrong?: string;
}

const picked = signal<ReadonlyMap<string, readonly Picked[]>>(new Map());
const original = signal(false);
const speaking = signal<string | undefined>(undefined);
const sending = signal<ReadonlySet<string>>(new Set());
const KEY = 'kinglet-limits';
/** What the server takes; when there is no line, what it said last. */
const limits = signal<Storage | undefined>(JSON.parse(localStorage.getItem(KEY) ?? 'null') ?? undefined);

const there = (place: string) => picked.value.get(place) ?? [];
export const chosen = (place: string): boolean => there(place).length > 0;

function put(place: string, all: readonly Picked[]): void {
  picked.value = new Map(picked.value).set(place, all);
}

function change(place: string, id: string, to: Partial<Picked>): void {
  put(place, there(place).map((one) => (one.id === id ? { ...one, ...to } : one)));
}

const drop = (place: string, id: string) => put(place, there(place).filter((one) => one.id !== id));

async function askLimits(): Promise<void> {
  try {
    limits.value = await routes().storage();
    localStorage.setItem(KEY, JSON.stringify(limits.value));
  } catch {
    // What was said last stands; the server has the last word anyway.
  }
}

export function add(place: string, files: readonly File[]): void {
  void askLimits();
  for (const file of files) {
    const id = uuidv7();
    put(place, [...there(place), { id, file, done: makeReady(place, id, file) }]);
  }
}

function makeReady(place: string, id: string, file: File): Promise<Prepared> {
  const done = prepare(file, original.value);
  done.then((ready) => change(place, id, { ready })).catch((error: unknown) => {
    change(place, id, { wrong: (error as DOMException).name === 'NotReadableError' ? fileWords.value.unreadable : String(error) });
  });
  return done;
}

function setOriginal(place: string, on: boolean): void {
  original.value = on;
  for (const { id, file } of there(place)) {
    if (file.type.startsWith('image/')) change(place, id, { done: makeReady(place, id, file) });
  }
}

export function speak(place: string): void {
  speaking.value = place;
}

/** Why it cannot go, as far as this device knows. */
function wrongWith(one: Picked, all: readonly Picked[]): string | undefined {
  const { tooLarge, noRoom, emptyFile } = fileWords.value;
  if (one.wrong) return one.wrong;
  if (one.file.size === 0) return emptyFile;
  const size = one.ready?.bytes.size;
  const { value: most } = limits;
  if (size === undefined || !most) return undefined;
  if (size > most.file_bytes) return tooLarge(bytesText(most.file_bytes));
  const before = all.slice(0, all.indexOf(one) + 1).reduce((sum, other) => sum + (other.ready?.bytes.size ?? 0), 0);
  return before > most.user_bytes - most.used_bytes ? noRoom : undefined;
}

/** Each is out of the tray once this device keeps it for the server. False when one could not be kept: then all words stay. */
export async function sendAll(to: To, caption: string, more: Record<string, unknown> = {}): Promise<boolean> {
  const place = placeOf(to, more.thread as number | undefined);
  const all = there(place);
  if (!all.length || sending.value.has(place) || all.some((one) => wrongWith(one, all))) return false;
  sending.value = new Set(sending.value).add(place);
  try {
    const { reply_to, ...others } = more;
    for (const [at, one] of all.entries()) {
      // Taken away, or made ready once more, while those before it went.
      const now = there(place).find(({ id }) => id === one.id);
      if (!now) continue;
      const last = at === all.length - 1;
      try {
        const file = await now.done;
        const first = at === 0 && reply_to !== undefined ? { reply_to } : {};
        await engine().postFile(to, { ...file, ...(last && caption ? { caption } : {}) }, { ...others, ...first });
      } catch (error) {
        change(place, one.id, { wrong: notKept(error) });
        return false;
      }
      drop(place, one.id);
    }
    return true;
  } finally {
    const left = new Set(sending.value);
    left.delete(place);
    sending.value = left;
  }
}

function notKept(error: unknown): string {
  const { name } = error as DOMException;
  if (name === 'NotReadableError' || name === 'NotFoundError') return fileWords.value.unreadable;
  // The browser tells of a full disk in more words than one.
  return error instanceof DOMException ? fileWords.value.deviceFull : explained(error);
}

export function Tray({ to, thread }: { to: To; thread?: number | undefined }) {
  const place = placeOf(to, thread);
  const all = there(place);
  const { toSend, room, captionHint, original: inFull } = fileWords.value;
  if (speaking.value === place) return <Speak to={to} thread={thread} />;
  if (!all.length) return null;
  const most = limits.value;
  const pictures = all.some((one) => one.file.type.startsWith('image/') && one.file.type !== 'image/gif');
  return (
    <div class="tray">
      <ul aria-label={toSend}>
        {all.map((one) => <Item key={one.id} one={one} wrong={wrongWith(one, all)} away={() => drop(place, one.id)} />)}
      </ul>
      {pictures && (
        <label class="whole">
          <input type="checkbox" checked={original.value} onChange={({ currentTarget }) => setOriginal(place, currentTarget.checked)} />
          {inFull}
        </label>
      )}
      <p class="hint">
        {most ? room(bytesText(most.file_bytes), bytesText(Math.max(0, most.user_bytes - most.used_bytes))) : ''}
        {all.length > 1 ? ` ${captionHint}` : ''}
      </p>
    </div>
  );
}

function Item({ one, wrong, away }: { one: Picked; wrong: string | undefined; away: () => void }) {
  const { remove, preparing, smaller } = fileWords.value;
  const { file, ready } = one;
  const url = useOwn(ready?.kind === 'image' ? ready.bytes : undefined);
  const about = ready ? (ready.bytes.size < file.size ? smaller(bytesText(file.size), bytesText(ready.bytes.size)) : bytesText(file.size)) : preparing;
  const name = ready?.name ?? file.name;
  return (
    <li class={wrong ? 'item wrong' : 'item'}>
      {ready?.kind === 'voice' ? (
        <Player blob="" own={ready.bytes} name={name} size={file.size} media={file.type} ms={ready.duration_ms ?? 0} voice />
      ) : (
        <>
          {url ? <img src={url} alt="" /> : <Ending name={name} />}
          <span class="name" title={name}>{name}</span>
          <span class="about" role={wrong ? 'alert' : undefined}>{wrong ?? about}</span>
        </>
      )}
      <button type="button" class="quiet round" aria-label={remove(name)} onClick={away}>
        <span aria-hidden="true">✕</span>
      </button>
    </li>
  );
}

/** What was spoken lies in the tray like any other file; it can be heard before it goes. */
function Speak({ to, thread }: { to: To; thread: number | undefined }) {
  const place = placeOf(to, thread);
  const close = () => {
    if (speaking.value === place) speaking.value = undefined;
  };
  const spoken = ({ bytes, ms, name, send }: Spoken) => {
    const file = new File([bytes], name, { type: bytes.type });
    const ready: Prepared = { kind: 'voice', name, bytes, duration_ms: ms };
    put(place, [...there(place), { id: uuidv7(), file, ready, done: Promise.resolve(ready) }]);
    void askLimits();
    close();
    if (send) void sendAll(to, '', thread ? { thread } : {});
  };
  return (
    <div class="tray">
      <Recorder spoken={spoken} close={close} closeLabel={words.value.cancel} />
    </div>
  );
}
