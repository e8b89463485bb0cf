// What one message looks like, and one line about what happened. What must not live here: which messages are shown.
import type { Entry, OutboxRow } from '../engine/records';
import type { Body } from '../proto';
import { clock, fullTime, words } from '../i18n';
import { Avatar } from './avatar';
import { FileSlot, isFile } from './files/slot';
import { engine, me, personName, users } from './state';
import { ReadMark } from './talk/mark';
import { WaysOut } from './talk/ways';
import { blocks, type Block, type Inline, isEmoji } from './text';
import { answering, chosen, openThread, placeOf, react, tracing } from './together/acts';
import { nameIn } from './together/members';
import { overlaid } from './together/overlay';
import { hidden, pending, saved } from './together/pending';
import { Passed, Quote } from './together/quote';

function Pieces({ of }: { of: Inline[] }) {
  return <>{of.map((piece, at) => <Piece key={at} piece={piece} />)}</>;
}

function Piece({ piece }: { piece: Inline }) {
  switch (piece.is) {
    case 'text':
      return <>{piece.text}</>;
    case 'bold':
      return <strong><Pieces of={piece.of} /></strong>;
    case 'italic':
      return <em><Pieces of={piece.of} /></em>;
    case 'struck':
      return <s><Pieces of={piece.of} /></s>;
    case 'code':
      return <code>{piece.text}</code>;
    case 'mention':
      return <span class={piece.user === me.value || piece.user === 'all' ? 'mention mine' : 'mention'}>@{piece.user === 'all' ? words.value.everyone : personName(piece.user)}</span>;
    case 'link': {
      const { host } = new URL(piece.to);
      const hidden = !piece.of.includes(host);
      return (
        <>
          <a href={piece.to} target="_blank" rel="noopener noreferrer">{piece.of}</a>
          {hidden && <span class="host"> ({host})</span>}
        </>
      );
    }
  }
}

function Part({ block }: { block: Block }) {
  const lines = (of: Inline[][]) => of.map((line, at) => <div key={at} class="line"><Pieces of={line} /></div>);
  switch (block.is) {
    case 'lines':
      return <div>{lines(block.of)}</div>;
    case 'quote':
      return <blockquote>{lines(block.of)}</blockquote>;
    case 'code':
      // Wider code is scrolled, by the keyboard, too.
      return <pre tabIndex={0}>{block.text}</pre>;
    case 'list':
      return (
        <ul class="items">
          {block.items.map((item, at) => (
            <li key={at} class={`level${Math.min(item.level, 4)}`}>
              <span class="mark">{item.mark} </span>
              <Pieces of={item.of} />
            </li>
          ))}
        </ul>
      );
  }
}

export function Said({ body, row }: { body: Body | undefined; row?: OutboxRow }) {
  if (!body) return <p class="faint">{words.value.erased}</p>;
  if (body.kind === 'text') return <div class={isEmoji(body.text) ? 'said emoji-only' : 'said'}>{blocks(body.text).map((block, at) => <Part key={at} block={block} />)}</div>;
  if (!isFile(body)) return <p class="faint">{words.value.notSupported}</p>;
  return (
    <>
      <FileSlot body={body} row={row} />
      {body.caption && <Said body={{ kind: 'text', text: body.caption }} />}
    </>
  );
}

const keyOf = ({ conversation, seq }: Entry) => `${conversation}/${seq}`;

/** `follows`: by the same person shortly after the one before, so without their name. */
export function Message({ entry: kept, follows, read, apart }: { entry: Entry; follows: boolean; read: boolean; apart?: boolean }) {
  const { entry, waits, held } = overlaid(kept, pending.value.get(keyOf(kept)), me.value);
  const { event } = entry;
  if (hidden.value.has(keyOf(entry)) || event.kind !== 'message') return null;
  const mine = event.by === me.value;
  const name = nameIn(entry.conversation, event.by);
  const picked = chosen.value?.conversation === entry.conversation ? chosen.value.seqs : undefined;
  const { edited, deleting, undo, forwardedFrom } = words.value;
  const about = answering.value.get(placeOf(entry.conversation))?.entry.seq === entry.seq;
  return (
    <article
      class={`message${follows ? ' follows' : ''}${picked?.has(entry.seq) ? ' picked' : ''}${about ? ' about' : ''}`}
      data-seq={entry.seq}
      tabIndex={-1}
      aria-label={`${name}, ${clock(event.ts)}`}
    >
      {!follows && <Avatar name={name} seed={event.by} />}
      {!follows && (
        <header>
          <span class="who">{name}</span>
        </header>
      )}
      <div class="body">
        {event.forwarded && !entry.erased && <p class="passed">{forwardedFrom(personName(event.forwarded.by))}</p>}
        {event.reply_to && !entry.erased && <Quote conversation={entry.conversation} seq={event.reply_to} />}
        {held ? (
          <p class="faint">
            {deleting}{' '}
            <button type="button" class="quiet slim" onClick={() => void engine().discard(held.n)}>{undo}</button>
          </p>
        ) : (
          <Said body={entry.body} />
        )}
        <Reactions entry={entry} />
        {entry.thread && !apart && (
          <button type="button" class="quiet slim answers" onClick={() => openThread(entry)}>{words.value.replies(entry.thread.replies)}</button>
        )}
      </div>
      <footer>
        {saved.value.has(keyOf(entry)) && <Mark text={words.value.isSaved} mark="★" />}
        {entry.edited !== undefined && <button type="button" class="quiet slim" onClick={() => (tracing.value = entry)}>{edited}</button>}
        <time dateTime={new Date(event.ts).toISOString()} title={fullTime(event.ts)}>{clock(event.ts)}</time>
        {waits ? <State text={words.value.waiting} mark="◌" /> : mine && !entry.erased && <ReadMark conversation={entry.conversation} seq={entry.seq} read={read} />}
      </footer>
    </article>
  );
}

function Mark({ text, mark }: { text: string; mark: string }) {
  return <span title={text}><span aria-hidden="true">{mark}</span><span class="unseen">{text}</span></span>;
}

function State({ text, mark }: { text: string; mark: string }) {
  return (
    <span class="state" title={text}>
      <span aria-hidden="true">{mark}</span>
      <span class="unseen">{text}</span>
    </span>
  );
}

function Reactions({ entry }: { entry: Entry }) {
  const there = Object.entries(entry.reactions ?? {}).map(([emoji, by]) => [emoji, Object.entries(by).filter(([, seq]) => seq > 0)] as const);
  const some = there.filter(([, by]) => by.length);
  if (!some.length) return null;
  return (
    <p class="reactions">
      {some.map(([emoji, by]) => {
        const names = by.map(([user]) => nameIn(entry.conversation, user)).join(', ');
        return (
          <button key={emoji} type="button" title={names} aria-pressed={by.some(([user]) => user === me.value)} onClick={() => void react(entry, emoji)}>
            {emoji} {by.length}
            <span class="unseen">: {names}</span>
          </button>
        );
      })}
    </p>
  );
}

/** Not known to be on the server's disk, or just so: what one wrote oneself. */
export function Unsent({ row, follows }: { row: OutboxRow; follows: boolean }) {
  const name = personName(me.value);
  const body = row.change.body as Body | undefined;
  const { waiting, sent } = words.value;
  return (
    <article class={`message ${row.state}${follows ? ' follows' : ''}`} data-client={row.client_id}>
      {!follows && <Avatar name={name} seed={me.value} />}
      <header class={follows ? 'unseen' : ''}>
        <span class="who">{name}</span>
      </header>
      <div class="body">
        {typeof row.change.reply_to === 'number' && <Quote conversation={String(row.change.conversation)} seq={row.change.reply_to} />}
        {row.change.forward_of ? <Passed of={row.change.forward_of as { conversation: string; seq: number }} /> : <Said body={body} row={row} />}
        {row.state === 'failed' && <WaysOut row={row} />}
      </div>
      <footer>
        <time dateTime={new Date(row.created).toISOString()}>{clock(row.created)}</time>
        {row.state === 'waiting' && <State text={waiting} mark="◌" />}
        {row.state === 'acked' && <State text={sent} mark="✓" />}
      </footer>
    </article>
  );
}

/** What happened that is no message; nothing for what has no words here. */
export function happened(entry: Entry): string | undefined {
  const { event } = entry;
  const { did } = words.value;
  const by = personName(event.by);
  const names = (all: readonly string[]) => all.map(personName).join(', ');
  void users.value;
  switch (event.kind) {
    case 'created':
      return did.created(by);
    case 'updated':
      return event.title ? did.titled(by, event.title) : did.updated(by);
    case 'joined':
      return did.joined(names(event.users));
    case 'join_requested':
      return did.join_requested(by);
    case 'left':
      return did.left(by);
    case 'removed':
      return did.removed(by, personName(event.user));
    case 'banned':
      return did.banned(by, personName(event.user));
    case 'dissolved':
      return did.dissolved(by);
    case 'pinned':
      return did.pinned(by);
    case 'announced':
      return event.text ? did.announced(by, event.text) : undefined;
    default:
      return undefined;
  }
}
