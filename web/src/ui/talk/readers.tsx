// Who has read a message and who has not, as far as the conversation shows it. What must not live here: read markers.
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import type { ReaderPage } from '../../proto';
import { Lost } from '../../engine/refusal';
import { explained, words } from '../../i18n';
import { Avatar } from '../avatar';
import { engine, me, personName } from '../state';
import type { Asked } from './mark';

const PAGE = 200;

async function ask(about: Asked, unread: boolean): Promise<string[]> {
  const all: string[] = [];
  for (let after: string | undefined; ; ) {
    const reply = await engine().ask({ type: 'readers', ...about, limit: PAGE, ...(unread ? { unread } : {}), ...(after ? { after } : {}) });
    if (reply.type !== 'readers') throw new Lost('the answer to readers is none');
    const page: ReaderPage = reply;
    all.push(...page.readers.map(({ user }) => user));
    after = page.readers.at(-1)?.user;
    if (!page.more || !after) return all.filter((user) => user !== me.value);
  }
}

export function Readers({ conversation, seq, close }: Asked & { close: () => void }) {
  const box = useRef<HTMLDialogElement>(null);
  const heading = useId();
  const [read, setRead] = useState<string[]>();
  const [unread, setUnread] = useState<string[]>();
  const [wrong, setWrong] = useState('');
  useEffect(() => {
    const before = document.activeElement;
    box.current?.showModal();
    const about = { conversation, seq };
    ask(about, false)
      .then(setRead)
      .catch((error: unknown) => setWrong(explained(error)));
    // In a large conversation it is not told who has not.
    ask(about, true)
      .then(setUnread)
      .catch(() => {});
    return () => (before as HTMLElement | null)?.focus?.();
  }, []);
  const { whoRead, close: shut, working, readBy, notReadBy, readByNobody } = words.value;
  return (
    <dialog ref={box} aria-labelledby={heading} onClose={close}>
      <header>
        <h2 id={heading}>{whoRead}</h2>
        <button type="button" class="quiet" onClick={() => box.current?.close()}>
          {shut}
        </button>
      </header>
      <p class="wrong" role="alert">{wrong}</p>
      {!read && !wrong && <p role="status">{working}</p>}
      {read?.length === 0 && <p class="hint">{readByNobody}</p>}
      {!!read?.length && <People title={readBy(read.length)} of={read} />}
      {!!unread?.length && <People title={notReadBy(unread.length)} of={unread} />}
    </dialog>
  );
}

function People({ title, of }: { title: string; of: string[] }) {
  return (
    <section class="readers">
      <h3>{title}</h3>
      <ul>
        {of.map((user) => (
          <li key={user}>
            <Avatar name={personName(user)} seed={user} />
            {personName(user)}
          </li>
        ))}
      </ul>
    </section>
  );
}
