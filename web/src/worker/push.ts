// A push message, shown; and what a tap on it does. What must not live here: what it says (notice.ts).
import { known, language } from './copy';
import { type Notice, noticeOf, read, type Said, type Told } from './notice';

declare const self: ServiceWorkerGlobalScope;

const pages = () => self.clients.matchAll({ type: 'window', includeUncontrolled: true });

/**
 * Always something to be seen, as browsers demand of who may push; a page that is open is told to look, and takes it away
 * again once it is read. What does not want to be told of was kept back by the server.
 */
export async function pushed(text: string): Promise<void> {
  const message = read(text);
  if (!message) return;
  const about = message.type === 'message' ? await known(message.conversation) : { elsewhere: 0 };
  const notice = noticeOf(message, about, await language());
  await show(notice);
  if (notice.unread > 0) await self.navigator.setAppBadge?.(notice.unread).catch(() => {});
  for (const page of await pages()) page.postMessage({ is: 'pushed', test: message.type === 'test' } satisfies Said);
}

function show({ title, body, tag, path }: Notice): Promise<void> {
  const more = { renotify: true, icon: '/icon-192.png', badge: '/badge.png', data: { path } };
  return self.registration.showNotification(title, { body, tag, ...more } as NotificationOptions);
}

/** A page that holds the line heard of a message: nobody is told who has one of the pages before them. */
export async function told({ message }: Told): Promise<void> {
  if ((await pages()).some((page) => page.focused)) return;
  await show(noticeOf(message, message.type === 'message' ? await known(message.conversation) : { elsewhere: 0 }, await language()));
}

/** The page that is open comes to the front and goes there; else there is a new one. */
export async function clicked(notification: Notification): Promise<void> {
  const { path } = notification.data as { path: string };
  notification.close();
  const open = await pages();
  const page = open.find((one) => one.focused) ?? open[0];
  if (!page) {
    await self.clients.openWindow(path);
    return;
  }
  page.postMessage({ is: 'go', path } satisfies Said);
  await page.focus();
}
