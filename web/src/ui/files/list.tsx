// All files of a conversation, by kind, as the server lists them, and its links beside them. What must not live here: what a file looks like (show.tsx).
import { render } from 'preact';
import { useEffect, useId, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { FileKind } from '../../engine/fileroutes';
import type { ConversationRecord } from '../../engine/records';
import { date, explained, words } from '../../i18n';
import { fileWords } from '../../i18n/files';
import { personName, titleOf } from '../state';
import { Links } from './links';
import { routes, useMedia } from './media';
import { Attachment } from './show';
import { type FileBody, isFile } from './slot';
import { type Shown, view } from './viewer';

const KINDS: FileKind[] = ['image', 'video', 'file', 'audio', 'voice'];

export function openFiles(record: ConversationRecord): void {
  const place = document.body.appendChild(document.createElement('div'));
  const before = document.activeElement as HTMLElement | null;
  const close = () => {
    render(null, place);
    place.remove();
    before?.focus();
  };
  render(<Files record={record} close={close} />, place);
}

function Files({ record, close }: { record: ConversationRecord; close: () => void }) {
  const box = useRef<HTMLDialogElement>(null);
  const [kind, setKind] = useState<FileKind | 'link'>('image');
  const heading = useId();
  useLayoutEffect(() => box.current?.showModal(), []);
  const { filesTitle, kinds, links } = fileWords.value;
  return (
    <dialog ref={box} class="files" aria-labelledby={heading} onClose={close}>
      <header>
        <h2 id={heading}>{filesTitle(titleOf(record))}</h2>
        <button type="button" class="quiet" onClick={() => box.current?.close()}>{words.value.close}</button>
      </header>
      <p class="kinds">
        {KINDS.map((one) => (
          <button key={one} type="button" class="quiet" aria-pressed={one === kind} onClick={() => setKind(one)}>{kinds[one]}</button>
        ))}
        <button type="button" class="quiet" aria-pressed={kind === 'link'} onClick={() => setKind('link')}>{links}</button>
      </p>
      {kind === 'link' ? <Links conversation={record.id} close={() => box.current?.close()} /> : <Page key={kind} conversation={record.id} kind={kind} />}
    </dialog>
  );
}

interface State {
  all: Shown[];
  before?: number | undefined;
  more: boolean;
  asking: boolean;
  wrong: string;
}

function Page({ conversation, kind }: { conversation: string; kind: FileKind }) {
  const [state, setState] = useState<State>({ all: [], more: true, asking: false, wrong: '' });
  const ask = async () => {
    setState((now) => ({ ...now, asking: true, wrong: '' }));
    try {
      const page = await routes().list(conversation, kind, state.before);
      const found = page.events.flatMap((event): Shown[] => {
        const body = event.kind === 'message' || event.kind === 'edited' ? event.body : undefined;
        return body && isFile(body) ? [{ body, seq: event.seq, by: event.by, ts: event.ts }] : [];
      });
      const before = page.events.at(-1)?.seq;
      setState((now) => ({ all: [...now.all, ...found], before, more: page.more, asking: false, wrong: '' }));
    } catch (error) {
      setState((now) => ({ ...now, asking: false, wrong: explained(error) }));
    }
  };
  useEffect(() => void ask(), []);
  const { all, more, asking, wrong } = state;
  const { none, more: older } = fileWords.value;
  // The viewer goes forward in time.
  const ascending = [...all].reverse();
  return (
    <>
      {kind === 'image' ? (
        <ul class="tiles">{all.map((one) => <li key={one.seq}><Tile one={one} among={ascending} /></li>)}</ul>
      ) : (
        <ul class="rows">
          {all.map((one) => (
            <li key={one.seq}>
              <Attachment body={one.body} />
              <p class="hint">{`${personName(one.by ?? '')} · ${date(one.ts ?? 0)}`}</p>
            </li>
          ))}
        </ul>
      )}
      {!all.length && !asking && !wrong && <p class="empty">{none[kind]}</p>}
      {wrong && <p class="wrong" role="alert">{wrong}</p>}
      {(asking || wrong || more) && (
        <button type="button" aria-disabled={asking} onClick={() => !asking && void ask()}>{asking ? words.value.working : wrong ? words.value.retry : older}</button>
      )}
    </>
  );
}

function Tile({ one, among }: { one: Shown; among: Shown[] }) {
  const body: FileBody = one.body;
  const { url } = useMedia(body.blob, body.thumbhash != null);
  const label = fileWords.value.open(`${body.caption || body.name}, ${personName(one.by ?? '')}, ${date(one.ts ?? 0)}`);
  return (
    <button type="button" class="pic" aria-label={label} onClick={() => view(body, among)}>
      {url && <img src={url} alt="" loading="lazy" decoding="async" />}
    </button>
  );
}
