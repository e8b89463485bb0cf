// Files in messages: pictures, films, sound, and everything else as a row to save. What must not live here: where the bytes
// come from (media.ts).
import { useEffect, useRef, useState } from 'preact/hooks';
import type { OutboxRow } from '../../engine/records';
import { explained, words } from '../../i18n';
import { bytesText, fileWords, lasts } from '../../i18n/files';
import { engine, line, progress } from '../state';
import { fetched, routes, save, seed, useMedia, useNear, useOwn } from './media';
import './shown.css';
import { boxStyle, type FileBody } from './slot';
import { Player } from './player';
import { pixels } from './thumbhash';

/** A full picture so small is shown instead of its thumbnail where the screen is fine enough to tell. */
const FINE_BYTES = 400 * 1024;
const MOVING_BYTES = 4 * 1024 * 1024;

/** What every browser that we promise shows. SVG is never among them: it can run. */
const SHOWN = /^image\/(jpeg|png|gif|webp|avif)$/;

export function Attachment({ body }: { body: FileBody }) {
  switch (body.kind) {
    case 'image':
      return <Picture body={body} />;
    case 'video':
      return <Film body={body} />;
    case 'audio':
    case 'voice':
      return <Player blob={body.blob} name={body.name} size={body.size ?? 0} media={body.media_type ?? ''} ms={body.duration_ms ?? 0} voice={body.kind === 'voice'} />;
    case 'file':
      return <FileRow body={body} />;
  }
}

function Placeholder({ hash }: { hash: string | null | undefined }) {
  const box = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const found = hash ? pixels(hash) : undefined;
    const at = box.current?.getContext('2d');
    if (!found || !at || !box.current) return;
    box.current.width = found.width;
    box.current.height = found.height;
    at.putImageData(new ImageData(found.rgba, found.width, found.height), 0, 0);
  }, [hash]);
  return <canvas ref={box} class="hash" width="1" height="1" aria-hidden="true" />;
}

function Picture({ body }: { body: FileBody }) {
  const [box, near] = useNear();
  const { size = 0, media_type = '' } = body;
  const shows = SHOWN.test(media_type) || body.thumbhash != null;
  const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
  const moves = /gif|webp/.test(media_type) && size <= MOVING_BYTES && !calm;
  const whole = SHOWN.test(media_type) && (moves || (!body.thumbhash && size <= MOVING_BYTES) || (devicePixelRatio > 1 && size <= FINE_BYTES));
  const small = useMedia(body.blob, true, near && shows && Boolean(body.thumbhash));
  const full = useMedia(body.blob, false, near && shows && whole);
  const url = full.url ?? small.url;
  const wrong = !url && (whole ? full.wrong : small.wrong);
  if (!shows) return <FileRow body={body} />;
  const open = () => void import('./viewer').then(({ view }) => view(body));
  return (
    <button ref={box as never} type="button" class="pic" style={boxStyle(body)} aria-label={fileWords.value.open(body.caption || body.name)} onClick={open}>
      <Placeholder hash={body.thumbhash} />
      {url && <img src={url} alt="" decoding="async" />}
      {!whole && !body.thumbhash && <span class="cover">{`${body.name} · ${bytesText(size)}`}</span>}
      {wrong ? <span class="cover">{fileWords.value.cannotLoad}</span> : null}
    </button>
  );
}

/** Fetched when it is to be played: a page cannot hand its token to the player, and films are large. */
function Film({ body }: { body: FileBody }) {
  const [state, setState] = useState<{ bytes?: Blob; got?: number; wrong?: string }>({});
  const stop = useRef<AbortController>(undefined);
  const url = useOwn(state.bytes);
  const { size = 0, duration_ms, media_type = '' } = body;
  useEffect(() => () => stop.current?.abort(), []);
  const load = async () => {
    stop.current = new AbortController();
    setState({ got: 0 });
    try {
      const bytes = await fetched(body.blob, false, (got) => setState({ got }), stop.current.signal);
      setState({ bytes: bytes.slice(0, bytes.size, media_type) });
    } catch (error) {
      setState(stop.current.signal.aborted ? {} : { wrong: explained(error) });
    }
  };
  const { play, playable, cannotPlay } = fileWords.value;
  if (!playable(media_type)) return <FileRow body={body} note={cannotPlay} />;
  if (url) return <video class="film" style={boxStyle(body)} src={url} controls autoPlay playsInline aria-label={body.caption || body.name} />;
  const about = [duration_ms ? lasts(duration_ms) : '', bytesText(size)].filter(Boolean).join(' · ');
  const loading = state.got !== undefined;
  return (
    <div class="film" style={boxStyle(body)}>
      {body.thumbhash && <Placeholder hash={body.thumbhash} />}
      <button type="button" aria-label={loading ? words.value.cancel : `${play(body.caption || body.name)}, ${about}`} onClick={() => (loading ? stop.current?.abort() : void load())}>
        <span class="sign" aria-hidden="true">{loading ? '✕' : '▶'}</span>
        <span class="about">{state.wrong ?? (loading ? `${percent(state.got!, size)} · ${bytesText(size)}` : about)}</span>
      </button>
      {loading && <progress max={size} value={state.got} aria-label={fileWords.value.loading} />}
    </div>
  );
}

const percent = (part: number, of: number) => `${of ? Math.floor((part / of) * 100) : 0} %`;

export function FileRow({ body, note }: { body: FileBody; note?: string }) {
  const [state, setState] = useState<{ got?: number; wrong?: string }>({});
  const stop = useRef<AbortController>(undefined);
  const { size = 0, name } = body;
  const get = async () => {
    stop.current = new AbortController();
    setState({ got: 0 });
    try {
      save(await fetched(body.blob, false, (got) => setState({ got }), stop.current.signal), name);
      setState({});
    } catch (error) {
      setState(stop.current.signal.aborted ? {} : { wrong: explained(error) });
    }
  };
  const loading = state.got !== undefined;
  const { download } = fileWords.value;
  const about = state.wrong ?? (loading ? `${percent(state.got!, size)} · ${bytesText(size)}` : [bytesText(size), note].filter(Boolean).join(' · '));
  return (
    <div class="file">
      <Ending name={name} />
      <span class="name" title={name}>{name}</span>
      <span class={state.wrong ? 'about wrong' : 'about'}>{about}</span>
      {loading ? (
        <button type="button" class="quiet" onClick={() => stop.current?.abort()}>{words.value.cancel}</button>
      ) : (
        <button type="button" class="quiet" aria-label={`${download} ${name}`} onClick={() => void get()}>{download}</button>
      )}
      {loading && <progress max={size} value={state.got} aria-label={fileWords.value.loading} />}
    </div>
  );
}

export function Ending({ name }: { name: string }) {
  const ending = /\.(\w{1,4})$/.exec(name)?.[1] ?? '';
  return <span class="ending" aria-hidden="true">{ending.toUpperCase()}</span>;
}

/** One's own, on its way up: from the bytes that are here. */
export function Waiting({ row, body }: { row: OutboxRow; body: FileBody }) {
  const [bytes, setBytes] = useState<Blob>();
  useEffect(() => {
    let gone = false;
    void engine().waitingBytes(row).then((found) => !gone && setBytes(found));
    return () => {
      gone = true;
    };
  }, [row.client_id]);
  const { name, size } = row.file!;
  // Once it is up its message is about to come: what is shown then is here already.
  useEffect(() => {
    if (bytes && body.blob) seed(body.blob, bytes);
  }, [bytes, body.blob]);
  const seen = body.kind === 'image' && SHOWN.test(row.file!.type);
  const url = useOwn(seen ? bytes : undefined);
  return (
    <>
      {seen ? (
        <div class="pic" style={boxStyle(body)}>{url && <img src={url} alt={body.caption || name} decoding="async" />}</div>
      ) : body.kind === 'video' && body.thumbhash ? (
        <div class="film" role="img" style={boxStyle(body)} aria-label={body.caption || name}><Placeholder hash={body.thumbhash} /></div>
      ) : (
        <div class="file">
          <Ending name={name} />
          <span class="name" title={name}>{name}</span>
          <span class="about">{bytesText(size)}</span>
        </div>
      )}
      {row.state === 'waiting' && !row.file!.up && <OnItsWay row={row} />}
    </>
  );
}

function OnItsWay({ row }: { row: OutboxRow }) {
  const sent = progress.value.get(row.client_id);
  const { size } = row.file!;
  const { uploading, waits, waitsTurn, waitsFull } = fileWords.value;
  const isThere = line.value === 'online' || line.value === 'fallback';
  const moving = isThere && sent !== undefined;
  const still = !isThere ? waits : row.file!.waits === 'storage_full' ? waitsFull : waitsTurn;
  return (
    <p class="on-its-way">
      {moving && <progress max={size} value={sent} aria-label={uploading('')} />}
      <span>{moving ? uploading(percent(sent, size)) : still}</span>
      <button type="button" class="quiet" onClick={() => void engine().discard(row.n)}>{words.value.cancel}</button>
    </p>
  );
}

const limits = async (): Promise<number | undefined> => routes().storage().then(({ file_bytes }) => file_bytes).catch(() => undefined);

/** What a refusal means for a file, and what to do. */
export function Wrong({ row }: { row: OutboxRow }) {
  const { errors } = fileWords.value;
  const code = row.error?.code ?? '';
  const [most, setMost] = useState<number>();
  useEffect(() => {
    if (code === 'too_large') void limits().then(setMost);
  }, [code]);
  if (code === 'too_large') return <>{errors.too_large(bytesText(row.file!.size), most ? bytesText(most) : undefined)}</>;
  const said = (errors as Record<string, unknown>)[code];
  return <>{typeof said === 'string' ? said : row.error ? explained(row.error) : ''}</>;
}
