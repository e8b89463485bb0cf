// The links that were sent in a conversation, newest first. What must not live here: files (list.tsx).
import { useEffect, useState } from 'preact/hooks';
import { date, explained, words } from '../../i18n';
import { fileWords } from '../../i18n/files';
import type { Event } from '../../proto';
import { go } from '../route';
import { engine, personName } from '../state';
import { linksIn } from '../text';

interface State {
  all: Event[];
  before?: number | undefined;
  more: boolean;
  asking: boolean;
  wrong: string;
}

const PAGE = 50;
/** A page may have none that one may see: so many are read before somebody has to ask on. */
const PATIENCE = 5;

const bodyOf = (event: Event) => (event.kind === 'message' || event.kind === 'edited' ? event.body : undefined);
const textOf = (event: Event) => {
  const body = bodyOf(event);
  return body?.kind === 'text' ? body.text : '';
};

/** `close`: before one goes to a message. */
export function Links({ conversation, close }: { conversation: string; close: () => void }) {
  const [state, setState] = useState<State>({ all: [], more: true, asking: false, wrong: '' });
  const ask = async () => {
    setState((now) => ({ ...now, asking: true, wrong: '' }));
    let before = state.before;
    const found: Event[] = [];
    try {
      for (let page = 0; page < PATIENCE && !found.length; page += 1) {
        const reply = await engine().ask({ type: 'links', conversation, limit: PAGE, ...(before === undefined ? {} : { before }) });
        if (reply.type !== 'links') break;
        found.push(...[...reply.events].reverse());
        before = reply.next ?? undefined;
        if (before === undefined) break;
      }
      setState((now) => ({ all: [...now.all, ...found], before, more: before !== undefined, asking: false, wrong: '' }));
    } catch (error) {
      setState((now) => ({ ...now, asking: false, wrong: explained(error) }));
    }
  };
  useEffect(() => void ask(), []);
  const { all, more, asking, wrong } = state;
  const { noLinks, more: older } = fileWords.value;
  const lead = (event: Event) => {
    close();
    go(`/c/${conversation}/${event.seq}`);
  };
  return (
    <>
      <ul class="rows links">{all.map((event) => <Row key={event.seq} event={event} lead={() => lead(event)} />)}</ul>
      {!all.length && !asking && !wrong && <p class="empty">{noLinks}</p>}
      {wrong && <p class="wrong" role="alert">{wrong}</p>}
      {(asking || wrong || more) && (
        <button type="button" aria-disabled={asking} onClick={() => !asking && void ask()}>{asking ? words.value.working : wrong ? words.value.retry : older}</button>
      )}
    </>
  );
}

function Row({ event, lead }: { event: Event; lead: () => void }) {
  return (
    <li>
      {linksIn(textOf(event)).map(({ to, of }) => (
        <p key={to} class="address">
          <a href={to} target="_blank" rel="noopener noreferrer nofollow">{of}</a>
          {of !== to && <small class="hint">{new URL(to).host}</small>}
        </p>
      ))}
      <p class="hint">
        {`${personName(event.by)} · ${date(event.ts)}`}{' '}
        <button type="button" class="quiet" onClick={lead}>{fileWords.value.goThere}</button>
      </p>
    </li>
  );
}
