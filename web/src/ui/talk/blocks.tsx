// The messages of a conversation in blocks that are drawn by themselves: when older ones come before them, a browser moves a block
// as it is, and only what changed is compared. What must not live here: which messages are in the page (window.ts), and scrolling
// (messages.tsx).
import { Component } from 'preact';
import type { ConversationRecord, Entry } from '../../engine/records';
import { dayName, words } from '../../i18n';
import { nextMidnight, startOf } from '../../i18n/days';
import { albums, joins } from '../files/slot';
import { happened, Message } from '../message';
import { me } from '../state';
import type { View } from '../window';
import { today } from './today';

/** A message so long after the one before stands by itself. */
export const APART_MS = 300_000;
/** So many places of the log to a block. Which of them a message is in does not depend on what else is in the page. */
const BLOCK = 16;

/** One line of the log and what stands over it. */
interface Item {
  entry: Entry;
  /** Of what happened that is no message. */
  text: string | undefined;
  day: string | undefined;
  mark: boolean;
  follows: boolean;
  /** Of one's own: somebody has read it. */
  read: boolean;
}

/** Day by day, with one line where what was not read begins. */
export function* items(view: View, record: ConversationRecord | undefined, mark: number | undefined, most: number): Generator<Item> {
  const entries = view.entries.slice(view.atEnd ? -most : 0);
  const othersRead = record?.others_read ?? 0;
  let before: Entry | undefined;
  let day = { from: 0, to: 0 };
  let marked = mark === undefined || ((entries[0]?.seq ?? 0) > mark + 1 && !view.atBeginning);
  for (const entry of entries) {
    const { event, seq } = entry;
    const text = event.kind === 'message' ? undefined : happened(entry);
    if (event.kind === 'message' ? event.thread && !event.also_send : text === undefined) continue;
    const begins = event.ts < day.from || event.ts >= day.to;
    if (begins) day = { from: startOf(event.ts), to: nextMidnight(event.ts) };
    const isMark = !marked && seq > mark! && event.by !== me.value;
    marked ||= isMark;
    const follows = !begins && !isMark && before?.event.by === event.by && event.ts - before.event.ts < APART_MS;
    yield { entry, text, day: begins ? dayName(event.ts, today.value) : undefined, mark: isMark, follows, read: event.by === me.value && othersRead >= seq };
    before = text === undefined ? entry : undefined;
  }
}

interface Stretch {
  key: number;
  items: Item[];
}

/** An album is in one block. */
function stretches(all: Iterable<Item>): Stretch[] {
  const found: Stretch[] = [];
  for (const item of all) {
    const key = Math.floor(item.entry.seq / BLOCK);
    const last = found.at(-1);
    const before = last?.items.at(-1);
    const isOne = last && (last.key === key || (before && item.follows && joins(before.entry, item.entry)));
    if (isOne) last.items.push(item);
    else found.push({ key, items: [item] });
  }
  return found;
}

export function Blocks({ of }: { of: Iterable<Item> }) {
  return <>{stretches(of).map((one) => <Block key={one.key} items={one.items} />)}</>;
}

const same = (one: Item, other: Item | undefined) =>
  one.entry === other?.entry && one.text === other.text && one.day === other.day && one.mark === other.mark && one.follows === other.follows && one.read === other.read;

class Block extends Component<{ items: Item[] }> {
  override shouldComponentUpdate({ items: next }: { items: Item[] }): boolean {
    const { items: now } = this.props;
    return now.length !== next.length || now.some((item, at) => !same(item, next[at]));
  }
  override render() {
    return <div class="block">{albums(this.props.items.flatMap(parts))}</div>;
  }
}

function parts({ entry, text, day, mark, follows, read }: Item) {
  const { seq } = entry;
  return [
    ...(day === undefined ? [] : [<Divider key={`day${seq}`} text={day} />]),
    ...(mark ? [<Divider key="unread" text={words.value.newLine} accent />] : []),
    text === undefined ? <Row key={seq} entry={entry} follows={follows} read={read} /> : <p key={seq} class="happened" data-seq={seq}>{text}</p>,
  ];
}

type RowProps = Parameters<typeof Message>[0];

/** Drawn again only when something about it changed. */
class Row extends Component<RowProps> {
  override shouldComponentUpdate(next: RowProps): boolean {
    const { entry, follows, read } = this.props;
    return next.entry !== entry || next.follows !== follows || next.read !== read;
  }
  override render(props: RowProps) {
    return <Message {...props} />;
  }
}

function Divider({ text, accent }: { text: string; accent?: boolean }) {
  return (
    <p class={accent ? 'divider accent' : 'divider'} data-mark={accent}>
      <span>{text}</span>
    </p>
  );
}
