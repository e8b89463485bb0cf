// What a push message becomes for a person: a title, a line, and where a tap leads. What must not live here: showing it
// (push.ts), reading what is kept (copy.ts).
import { noticesEn, noticesZh } from '../i18n/notices';
import type { PushMessage } from '../proto';

/** What the copy of the log in this browser knows of a conversation. */
export interface Known {
  title?: string;
  /** Unread messages in all others. */
  elsewhere: number;
}

export interface Notice {
  title: string;
  body: string;
  /** The next one about the same conversation takes its place. */
  tag: string;
  path: string;
  /** For the mark on the app's icon. */
  unread: number;
}

/** From the worker to the pages that are open. */
export type Said = { is: 'go'; path: string } | { is: 'pushed'; test: boolean };
/** From the page that holds the line to the worker. */
export type Told = { is: 'tell'; message: PushMessage };

export const TEST = 'test';

/** Nothing for what is no message of a form that is known. */
export function read(text: string): PushMessage | undefined {
  try {
    const message = JSON.parse(text) as PushMessage;
    return message.type === 'test' || (message.type === 'message' && /^c[0-9a-z]+$/.test(message.conversation)) ? message : undefined;
  } catch {
    return undefined;
  }
}

/** Names and text are there only if this device asked for them; the title of what is known here needs no push service. */
export function noticeOf(message: PushMessage, known: Known, lang: string): Notice {
  const words = lang.startsWith('zh') ? noticesZh : noticesEn;
  if (message.type === 'test') return { title: words.testTitle, body: words.testBody, tag: TEST, path: '/', unread: 0 };
  const { conversation, count, name, title, text } = message;
  const unread = known.elsewhere + count;
  const said = title && name ? `${name}: ${text}` : text;
  return {
    title: title ?? name ?? known.title ?? words.newMessage,
    body: text ? said! : words.unread(count),
    tag: conversation,
    path: `/c/${conversation}`,
    unread,
  };
}
