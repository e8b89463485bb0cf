// What is open at the side of a conversation, on a phone in its place: a thread, its threads, its pins, its details. What must
// not live here: each of these.
import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { ConversationRecord } from '../../../engine/records';
import { words } from '../../../i18n';
import { more } from '../../../i18n/together-more';
import { go } from '../../route';
import { titleOf } from '../../state';
import { Details } from './details';
import { Pins, Threads } from './lists';
import { Thread } from './thread';
import '../together.css';
import './side.css';

const TITLE = 'h1, h2';

export function Side({ record, side, seq }: { record: ConversationRecord; side: string; seq: number | undefined }) {
  const { threadTitle, threads, pins, details } = more.value;
  const title = side === 'thread' ? threadTitle : side === 'threads' ? threads : side === 'pins' ? pins : details;
  return (
    <Frame record={record} title={title} begin={side === 'thread' && !matchMedia('(pointer: coarse)').matches ? '.composer textarea' : TITLE} key={`${side} ${side === 'thread' ? seq : ''}`}>
      {side === 'thread' && seq !== undefined ? <Thread record={record} root={seq} /> : side === 'threads' ? <Threads record={record} /> : side === 'pins' ? <Pins record={record} /> : <Details record={record} />}
    </Frame>
  );
}

/** `begin`: what has the focus first, where it is there; else the heading. */
function Frame({ record, title, begin, children }: { record: ConversationRecord; title: string; begin: string; children: ComponentChildren }) {
  const box = useRef<HTMLDivElement>(null);
  // Where there is no room for both it is the page, with its heading.
  const [alone] = useState(() => matchMedia('(max-width: 68rem)').matches);
  const Title = alone ? 'h1' : 'h2';
  useEffect(() => {
    const before = document.activeElement;
    // Who came by the keyboard goes on inside; who wants to answer writes at once.
    const [goal] = [begin, TITLE].flatMap((one) => box.current?.querySelector<HTMLElement>(one) ?? []);
    goal?.focus({ preventScroll: true });
    return () => (before as HTMLElement | null)?.focus?.({ preventScroll: true });
  }, []);
  return (
    <div ref={box} class="side" role="region" aria-label={title} data-conversation={record.id}>
      <header>
        <Title tabIndex={-1}>{title}</Title>
        <span class="faint">{more.value.threadIn(titleOf(record))}</span>
        <button type="button" class="quiet" onClick={() => go(`/c/${record.id}`, true)}>{words.value.close}</button>
      </header>
      {children}
    </div>
  );
}
