// Looking for a conversation, a person, or words of a message: everywhere or in one conversation. What must not live here: what
// is searched by, which is the server's, and going there (jump.ts).
import { useEffect, useRef, useState } from 'preact/hooks';
import { entryOf } from '../../engine/entry';
import type { Entry } from '../../engine/records';
import { brief, explained, words } from '../../i18n';
import { more } from '../../i18n/together-more';
import type { Found } from '../../proto';
import { Avatar } from '../avatar';
import { go } from '../route';
import { conversations, engine, line, titleOf } from '../state';
import { finding } from './acts';
import { Icon } from './icons';
import { jump } from './jump';
import { nameIn } from './members';
import { Dialog, type Place, places } from './overlays';
import { oneLine } from './quote';
import './together.css';

const PAUSE_MS = 250;
const MOST_PLACES = 8;
/** A page may have nothing and there may be more: so often it is asked on by itself. */
const PATIENCE = 5;

interface State {
  found: Found[];
  cursor?: string;
  state: 'none' | 'looking' | 'done';
  partial?: boolean;
  wrong?: string;
}
const NOTHING: State = { found: [], state: 'none' };

/** What the server finds, once one pauses; an older answer never covers a newer one. */
function useFound(query: string, conversation: string | undefined): [State, () => void] {
  const [state, setState] = useState<State>(NOTHING);
  const turn = useRef(0);
  const look = async (before: State) => {
    const mine = turn.current;
    setState({ ...before, state: 'looking' });
    let { found, cursor } = before;
    let partial: boolean | undefined;
    try {
      for (let page = 0; page < PATIENCE; page += 1) {
        const reply = await engine().ask({ type: 'search', query: query.trim(), limit: 20, ...(conversation ? { conversation } : {}), ...(cursor ? { cursor } : {}) });
        if (mine !== turn.current || reply.type !== 'search') return;
        found = [...found, ...reply.found];
        cursor = reply.more ? (reply.cursor ?? undefined) : undefined;
        partial ||= reply.partial;
        if (reply.found.length || !cursor) break;
      }
      setState({ found, state: 'done', ...(cursor ? { cursor } : {}), ...(partial ? { partial } : {}) });
    } catch (error) {
      if (mine === turn.current) setState({ found, state: 'done', wrong: explained(error) });
    }
  };
  useEffect(() => {
    turn.current += 1;
    setState(NOTHING);
    if (!query.trim()) return;
    const timer = setTimeout(() => void look(NOTHING), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [query, conversation]);
  // Where there was no line it is asked again once there is one: a page that was just opened has none yet.
  const online = line.value === 'online' || line.value === 'fallback';
  useEffect(() => {
    if (online && state.wrong && query.trim()) void look(NOTHING);
  }, [online]);
  return [state, () => void look(state)];
}

export function Find({ here }: { here: string | undefined }) {
  const [query, setQuery] = useState('');
  const [only, setOnly] = useState(finding.value === 'here' && here?.startsWith('c') === true);
  const [wantsSaved, wantSaved] = useState(false);
  const [saved, lost] = useSaved(wantsSaved);
  const [state, on] = useFound(query, only ? here : undefined);
  const list = useRef<HTMLDivElement>(null);
  const close = () => {
    finding.value = undefined;
  };
  const there = only ? [] : places(query).slice(0, MOST_PLACES);
  const open = ({ key }: Place) => {
    close();
    go(`/c/${key}`);
  };
  const lead = (conversation: string, seq: number) => {
    close();
    void jump(conversation, seq);
  };
  /** Arrows go through all that was found; Enter in the field takes the first. */
  const pressed = (event: KeyboardEvent) => {
    if (event.isComposing || event.keyCode === 229) return;
    const buttons = [...(list.current?.querySelectorAll<HTMLElement>('button') ?? [])];
    const at = buttons.indexOf(document.activeElement as HTMLElement);
    if (event.key === 'Enter' && at < 0) buttons[0]?.click();
    else if (event.key === 'ArrowDown') buttons[Math.min(at + 1, buttons.length - 1)]?.focus();
    else if (event.key === 'ArrowUp' && at > 0) buttons[at - 1]?.focus();
    else if (event.key === 'ArrowUp' && at === 0) (event.currentTarget as HTMLElement).querySelector('input')?.focus();
    else return;
    event.preventDefault();
  };
  const { findTitle, findHint, findWords, findHere, jumpTo, found, foundNone, foundMore, looking, partial, saved: savedWord, noSaved } = more.value;
  return (
    <Dialog title={findTitle} close={close}>
      <div class="find" onKeyDown={pressed}>
        <input type="text" inputMode="search" enterkeyhint="search" autocomplete="off" maxLength={80} aria-label={only ? findWords : findHint} placeholder={only ? findWords : findHint} value={query} onInput={(event) => (setQuery(event.currentTarget.value), wantSaved(false))} />
        {here?.startsWith('c') && (
          <label class="only">
            <input type="checkbox" checked={only} onChange={() => setOnly(!only)} />
            {findHere}
          </label>
        )}
        <div ref={list} class="results">
          {there.length > 0 && !wantsSaved && <h3>{jumpTo}</h3>}
          {!wantsSaved && there.map((place) => (
            <button key={place.key} type="button" onClick={() => open(place)}>
              <Avatar name={place.name} seed={place.seed} />
              <span>{place.name}</span>
            </button>
          ))}
          {!query.trim() && !only && !wantsSaved && <button type="button" class="faint" onClick={() => wantSaved(true)}>★ {savedWord}</button>}
          {!query.trim() && only && <Here conversation={here ?? ''} />}
          {wantsSaved && <h3>{savedWord}</h3>}
          {wantsSaved && !saved && <p class="hint" role="status">{lost || looking}</p>}
          {saved?.length === 0 && <p class="hint">{noSaved}</p>}
          {saved?.map((entry) => <Hit key={`${entry.conversation}/${entry.seq}`} conversation={entry.conversation} by={entry.event.by} ts={entry.event.ts} go={() => lead(entry.conversation, entry.seq)}>{oneLine(entry)}</Hit>)}
          {query.trim() && (
            <>
              <h3>{found}</h3>
              {state.found.map((one) => (
                <Hit key={`${one.conversation}/${one.seq}`} conversation={one.conversation} by={one.by} ts={one.ts} go={() => lead(one.conversation, one.seq)}>
                  <Snippet found={one} />
                </Hit>
              ))}
              <p class="hint" role="status">
                {state.state === 'looking' ? looking : state.wrong ?? (state.state === 'done' && !state.found.length && !state.cursor ? foundNone : '')} {state.partial ? partial : ''}
              </p>
              {state.cursor && state.state === 'done' && <button type="button" onClick={on}>{foundMore}</button>}
            </>
          )}
        </div>
      </div>
    </Dialog>
  );
}

/** Before anything is asked for in one conversation: what can be found, and what is at hand without words. */
function Here({ conversation }: { conversation: string }) {
  const record = conversations.value.get(conversation);
  if (!record) return null;
  const { findHereLead, findHereHow, pins, threads } = more.value;
  const lead = (side: 'pins' | 'threads') => {
    finding.value = undefined;
    go(`/c/${conversation}#${side}`);
  };
  return (
    <div class="nothing">
      <Icon of="search" />
      <p>{findHereLead(titleOf(record))}</p>
      <p class="hint">{findHereHow}</p>
      <p class="ways">
        <button type="button" onClick={() => lead('pins')}>{pins}</button>
        {record.kind !== 'direct' && <button type="button" onClick={() => lead('threads')}>{threads}</button>}
      </p>
    </div>
  );
}

/** Asked again when the line comes: what could not be read is not nothing. */
function useSaved(wanted: boolean): [Entry[] | undefined, string] {
  const [saved, setSaved] = useState<Entry[]>();
  const [lost, setLost] = useState('');
  const online = line.value === 'online' || line.value === 'fallback';
  useEffect(() => {
    let late = false;
    setSaved(undefined);
    setLost('');
    if (!wanted) return;
    readSaved()
      .then((found) => late || setSaved(found))
      .catch((error: unknown) => late || setLost(explained(error)));
    return () => {
      late = true;
    };
  }, [wanted, online]);
  return [saved, lost];
}

/** What was saved here a moment ago, or before the page was loaded anew, is told first. */
async function readSaved(): Promise<Entry[]> {
  await engine().wishesTold();
  const all: Entry[] = [];
  for (let after: number | undefined; ; ) {
    const reply = await engine().ask({ type: 'saved', limit: 100, ...(after === undefined ? {} : { after }) });
    if (reply.type !== 'saved') break;
    all.push(...reply.saved.map(({ event }) => entryOf(event)));
    after = reply.last ?? undefined;
    if (!reply.more || after === undefined) break;
  }
  return all.reverse();
}

function Hit({ conversation, by, ts, go: lead, children }: { conversation: string; by: string; ts: number; go: () => void; children: preact.ComponentChildren }) {
  const record = conversations.value.get(conversation);
  return (
    <button type="button" class="hit" onClick={lead}>
      <span class="where">
        <strong>{nameIn(conversation, by)}</strong> {record && record.kind !== 'direct' ? titleOf(record) : ''}
      </span>
      <span class="when">{brief(ts)}</span>
      <span class="snippet">{children}</span>
    </button>
  );
}

/** The words stand out where the server says they are. Ids of mentions are shown as names. */
function Snippet({ found: { snippet, matches, conversation } }: { found: Found }) {
  const named = (text: string) => text.replace(/<@(u[0-9a-z]{10}|all)>/g, (_, user: string) => `@${user === 'all' ? words.value.everyone : nameIn(conversation, user)}`);
  const parts = [];
  let at = 0;
  for (const [from = 0, to = 0] of matches) {
    if (from < at) continue;
    parts.push(named(snippet.slice(at, from)), <mark key={from}>{snippet.slice(from, to)}</mark>);
    at = to;
  }
  return <>{parts}{named(snippet.slice(at))}</>;
}
