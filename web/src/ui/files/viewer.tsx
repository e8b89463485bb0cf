// Pictures on the whole screen: one after the other through a conversation, larger, saved, closed by a swipe or Escape. What
// must not live here: pictures within messages (show.tsx).
import { render } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { Event } from '../../proto';
import { explained, fullTime, words } from '../../i18n';
import { fileWords } from '../../i18n/files';
import { route } from '../route';
import { conversations, directWith, engine, personName } from '../state';
import { fetched, routes, save, useMedia } from './media';
import './viewer.css';
import { type FileBody, isFile } from './slot';

/** So many of the newest entries that are held are looked through for pictures; older ones come from the server. */
const HELD = 2_000;
const LARGEST = 6;
const STEP = 1.5;
const SWIPE = 60;

export interface Shown {
  body: FileBody;
  seq?: number;
  by?: string;
  ts?: number;
}

export function view(body: FileBody, among?: Shown[]): void {
  const place = document.body.appendChild(document.createElement('div'));
  const before = document.activeElement as HTMLElement | null;
  let open = true;
  const shut = () => {
    if (!open) return;
    open = false;
    removeEventListener('popstate', shut);
    render(null, place);
    place.remove();
    before?.focus({ preventScroll: true });
  };
  const close = () => {
    if (!open) return;
    shut();
    history.back();
  };
  // The way back closes it, and leads nowhere else.
  history.pushState(history.state, '', location.href);
  addEventListener('popstate', shut);
  render(<Viewer first={{ body }} among={among} close={close} />, place);
}

function here(): string | undefined {
  const at = route.value;
  if (at.page !== 'talk') return undefined;
  return at.id.startsWith('u') ? directWith(at.id)?.id : conversations.value.get(at.id)?.id;
}

function pictureOf(event: Event, body = event.kind === 'message' || event.kind === 'edited' ? event.body : undefined): Shown[] {
  return isFile(body ?? undefined) && body!.kind === 'image' ? [{ body: body as FileBody, seq: event.seq, by: event.by, ts: event.ts }] : [];
}

/** Ascending, each file once. */
function joined(older: Shown[], all: Shown[]): Shown[] {
  const there = new Set(all.map(({ body }) => body.blob));
  return [...older.filter(({ body }) => !there.has(body.blob)), ...all];
}

function usePictures(first: Shown, among: Shown[] | undefined) {
  const [all, setAll] = useState<Shown[]>(among ?? [first]);
  const [at, setAt] = useState(() => Math.max(0, (among ?? []).findIndex(({ body }) => body.blob === first.body.blob)));
  const more = useRef(among === undefined);
  const conversation = useRef(here());
  useEffect(() => {
    const id = conversation.current;
    if (among || !id) return;
    void engine().entries(id, Number.MAX_SAFE_INTEGER, HELD).then((entries) => {
      const found = entries.flatMap(({ event, body, erased }) => (erased ? [] : pictureOf(event, body)));
      const index = found.findIndex(({ body }) => body.blob === first.body.blob);
      if (index < 0) return;
      setAll(found);
      setAt(index);
    });
  }, []);
  useEffect(() => {
    const [oldest] = all;
    if (at > 1 || !more.current || !conversation.current || oldest?.seq === undefined) return;
    more.current = false;
    void routes().list(conversation.current, 'image', oldest.seq).then((page) => {
      more.current = page.more;
      const older = page.events.flatMap((event) => pictureOf(event)).reverse();
      const next = joined(older, all);
      setAll(next);
      setAt((now) => now + next.length - all.length);
    }).catch(() => {});
  }, [at, all]);
  return { all, at, go: (by: number) => setAt((now) => Math.min(all.length - 1, Math.max(0, now + by))), complete: !more.current };
}

function Viewer({ first, among, close }: { first: Shown; among: Shown[] | undefined; close: () => void }) {
  const box = useRef<HTMLDialogElement>(null);
  const { all, at, go, complete } = usePictures(first, among);
  const [wrong, setWrong] = useState('');
  const now = all[at] ?? first;
  const stage = useStage(now.body.blob, { go, close: () => box.current?.close() });
  useLayoutEffect(() => box.current?.showModal(), []);
  const keys = (event: KeyboardEvent) => {
    const does: Record<string, () => void> = {
      ArrowLeft: () => go(-1),
      ArrowRight: () => go(1),
      '+': () => stage.zoom(STEP),
      '=': () => stage.zoom(STEP),
      '-': () => stage.zoom(1 / STEP),
      '0': () => stage.zoom(0),
    };
    if (event.metaKey || event.ctrlKey || event.altKey || !does[event.key]) return;
    event.preventDefault();
    does[event.key]!();
  };
  const get = () => {
    setWrong('');
    void fetched(now.body.blob).then((bytes) => save(bytes, now.body.name)).catch((error: unknown) => setWrong(explained(error)));
  };
  const { viewer, next, previous, zoomIn, zoomOut, download, ofAll } = fileWords.value;
  const mark = (label: string, sign: string, does: () => void, off = false, where = '') => (
    <button type="button" class={`round ${where}`} aria-label={label} title={label} aria-disabled={off} onClick={() => !off && does()}>
      <span aria-hidden="true">{sign}</span>
    </button>
  );
  return (
    <dialog ref={box} class="viewer" aria-label={viewer} onClose={close} onKeyDown={keys}>
      <header>
        <p>
          <strong>{now.body.name}</strong>
          <span>{[now.by ? personName(now.by) : '', now.ts ? fullTime(now.ts) : ''].filter(Boolean).join(' · ')}</span>
        </p>
        {all.length > 1 && <span class="count" role="status">{ofAll(at + 1, complete ? String(all.length) : `${all.length}+`)}</span>}
        {mark(zoomOut, '−', () => stage.zoom(1 / STEP), stage.scale <= 1)}
        {mark(zoomIn, '+', () => stage.zoom(STEP), stage.scale >= LARGEST)}
        {mark(download, '↓', get)}
        {mark(words.value.close, '✕', () => box.current?.close())}
      </header>
      <div class="stage" {...stage.hears}>
        <Large body={now.body} transform={stage.transform} />
      </div>
      {all.length > 1 && mark(previous, '‹', () => go(-1), at === 0, 'before')}
      {all.length > 1 && mark(next, '›', () => go(1), at === all.length - 1, 'after')}
      {now.body.caption && <p class="caption">{now.body.caption}</p>}
      <p class="wrong" role="alert">{wrong}</p>
    </dialog>
  );
}

/** The thumbnail until the picture is here. */
function Large({ body, transform }: { body: FileBody; transform: string }) {
  const small = useMedia(body.blob, true, body.thumbhash != null);
  const full = useMedia(body.blob, false);
  const url = full.url ?? small.url;
  const { width, height } = body;
  if (!url) return <p role="status">{full.wrong ? fileWords.value.cannotLoad : words.value.working}</p>;
  return <img key={body.blob} src={url} alt={body.caption || body.name} width={width ?? undefined} height={height ?? undefined} style={{ transform }} draggable={false} />;
}

interface Point {
  x: number;
  y: number;
}

/** Wheel, pinch, double press and swipes. */
function useStage(blob: string, does: { go: (by: number) => void; close: () => void }) {
  const [{ scale, x, y }, setView] = useState({ scale: 1, x: 0, y: 0 });
  const fingers = useRef(new Map<number, Point>());
  const begun = useRef<{ x: number; y: number; apart: number; scale: number; moved: boolean }>(undefined);
  useEffect(() => setView({ scale: 1, x: 0, y: 0 }), [blob]);
  /** 0 makes it fit again. */
  const zoom = (by: number) =>
    setView((now) => {
      const next = by === 0 ? 1 : Math.min(LARGEST, Math.max(1, now.scale * by));
      return next === 1 ? { scale: 1, x: 0, y: 0 } : { scale: next, x: (now.x * next) / now.scale, y: (now.y * next) / now.scale };
    });
  const middle = () => {
    const all = [...fingers.current.values()];
    const [one, other = one] = all as [Point, Point?];
    return { x: (one.x + other!.x) / 2, y: (one.y + other!.y) / 2, apart: Math.hypot(one.x - other!.x, one.y - other!.y) };
  };
  const down = (event: PointerEvent) => {
    if (event.button !== 0) return;
    (event.currentTarget as Element).setPointerCapture(event.pointerId);
    fingers.current.set(event.pointerId, { x: event.clientX, y: event.clientY });
    begun.current = { ...middle(), scale, moved: begun.current?.moved ?? false };
  };
  const move = (event: PointerEvent) => {
    const from = begun.current;
    if (!from || !fingers.current.has(event.pointerId)) return;
    fingers.current.set(event.pointerId, { x: event.clientX, y: event.clientY });
    const now = middle();
    const [dx, dy] = [now.x - from.x, now.y - from.y];
    if (fingers.current.size > 1 && from.apart) {
      const next = Math.min(LARGEST, Math.max(1, (from.scale * now.apart) / from.apart));
      begun.current = { ...from, moved: true };
      setView((view) => ({ ...view, scale: next }));
    } else if (scale > 1) {
      begun.current = { ...from, x: now.x, y: now.y, moved: true };
      setView((view) => ({ ...view, x: view.x + dx, y: view.y + dy }));
    } else setView({ scale: 1, x: Math.abs(dx) > Math.abs(dy) ? dx : 0, y: Math.abs(dx) > Math.abs(dy) ? 0 : Math.max(0, dy) });
  };
  const up = (event: PointerEvent) => {
    const from = begun.current;
    fingers.current.delete(event.pointerId);
    if (!from || fingers.current.size) return;
    begun.current = undefined;
    if (scale > 1 || from.moved) return;
    const [dx, dy] = [event.clientX - from.x, event.clientY - from.y];
    setView({ scale: 1, x: 0, y: 0 });
    if (Math.abs(dx) > SWIPE && Math.abs(dx) > Math.abs(dy)) does.go(dx > 0 ? -1 : 1);
    else if (dy > SWIPE && dy > Math.abs(dx)) does.close();
  };
  const hears = {
    onPointerDown: down,
    onPointerMove: move,
    onPointerUp: up,
    onPointerCancel: up,
    onDblClick: () => zoom(scale > 1 ? 0 : 2.5),
    onWheel: (event: WheelEvent) => {
      event.preventDefault();
      zoom(event.deltaY < 0 ? 1.15 : 1 / 1.15);
    },
  };
  return { scale, zoom, hears, transform: `translate(${x}px, ${y}px) scale(${scale})` };
}
