// Where a file stands in a message: its place, of its size at once, so that nothing moves; what is in it comes when it is
// first needed (show.tsx). What must not live here: anything that only files need.
import { signal, type Signal } from '@preact/signals';
import type { ComponentChildren, VNode } from 'preact';
import { useEffect } from 'preact/hooks';
import type { ConversationRecord, Entry, OutboxRow } from '../../engine/records';
import type { Body, Media } from '../../proto';
import './slot.css';

export type To = ConversationRecord | { user: string };
export type FileBody = Extract<Body, { blob: string }>;
export const isFile = (body: Body | undefined): body is FileBody => body !== undefined && body.kind !== 'text' && body.kind !== 'opaque';

const LONGEST = 288;
const UNKNOWN = { width: 240, height: 180 };
const LEAST = 56;

/** Pixels on the page for a picture or film: fits, and is never so thin that nobody could press it. */
export function boxOf({ width, height }: Pick<Media, 'width' | 'height'>): { width: number; height: number } {
  if (!width || !height) return UNKNOWN;
  const by = Math.min(1, LONGEST / Math.max(width, height));
  return { width: Math.max(LEAST, Math.round(width * by)), height: Math.max(LEAST, Math.round(height * by)) };
}

export function boxStyle(body: FileBody) {
  const { width, height } = boxOf(body);
  return { width: `${width}px`, aspectRatio: `${width} / ${height}` };
}

/** A part that is fetched when it is first drawn; nothing until then. */
function later<Part>(load: () => Promise<Part>): { signal: Signal<Part | undefined>; use: () => Part | undefined } {
  const part = signal<Part | undefined>(undefined);
  let asked = false;
  const use = () => {
    useEffect(() => {
      if (asked) return;
      asked = true;
      load()
        .then((all) => (part.value = all))
        .catch(() => (asked = false));
    }, []);
    return part.value;
  };
  return { signal: part, use };
}

const shown = later(() => import('./show'));
const attached = later(() => import('./attach'));

export function FileSlot({ body, row }: { body: FileBody; row?: OutboxRow | undefined }) {
  const there = shown.use();
  if (there) return row?.file ? <there.Waiting row={row} body={body} /> : <there.Attachment body={body} />;
  const seen = body.kind === 'image' || body.kind === 'video';
  return <div class="slot" style={seen ? boxStyle(body) : { height: '3.5rem' }} />;
}

/** Why a file could not go. */
export function FileWrong({ row }: { row: OutboxRow }) {
  const there = shown.use();
  return there ? <there.Wrong row={row} /> : null;
}

/** Goes into the form in which one writes: the buttons, and what is about to be sent. */
export function Attach({ to, thread }: { to: To; thread?: number | undefined }) {
  const there = attached.use();
  return there ? <there.Attach to={to} thread={thread} /> : <span class="attach-place" />;
}

/** True when files are there to be sent; then `sendFiles` sends them with what was written. */
export const hasFiles = (to: To, thread?: number): boolean => attached.signal.value?.hasFiles(to, thread) ?? false;
export async function sendFiles(to: To, caption: string, more?: Record<string, unknown>): Promise<boolean> {
  return (await attached.signal.value?.sendFiles(to, caption, more)) ?? false;
}

/** All files of the conversation, for its head. */
export function FilesButton({ record }: { record: ConversationRecord }) {
  const there = attached.use();
  return there ? <there.FilesButton record={record} /> : null;
}

/** Pictures without words that follow each other from one person stand side by side. */
export function albums(parts: VNode[]): ComponentChildren {
  const all: VNode[] = [];
  let run: VNode[] = [];
  const end = () => {
    if (run.length > 1) all.push(<div key={`album${String(run[0]!.key)}`} class="album">{run}</div>);
    else all.push(...run);
    run = [];
  };
  for (const part of parts) {
    const { entry, follows } = part.props as { entry?: Entry; follows?: boolean };
    const fits = entry !== undefined && isTile(entry);
    if (!fits || !follows) end();
    if (fits) run.push(part);
    else all.push(part);
  }
  end();
  return all;
}

export const joins = (one: Entry, next: Entry): boolean => isTile(one) && isTile(next);

function isTile({ body, event, reactions }: Entry): boolean {
  const bare = event.kind === 'message' && !event.reply_to && !event.thread && Object.keys(reactions ?? {}).length === 0;
  return bare && body?.kind === 'image' && !body.caption && Boolean(body.thumbhash);
}
