// Beginning a conversation, and inviting. What must not live here: conversations.
import type { ComponentChildren } from 'preact';
import { useEffect, useId, useMemo, useRef, useState } from 'preact/hooks';
import { uuidv7 } from '../engine/ids';
import { Lost } from '../engine/refusal';
import type { UserInfo } from '../proto';
import { words } from '../i18n';
import { Avatar } from './avatar';
import { Field, Form } from './parts';
import { go } from './route';
import { Another, Invitation, useInvitation } from './invitation';
import { directWith, engine, listed, me, users } from './state';

/** The browser's own dialog keeps the focus inside and closes by Escape. */
export function Window({ title, close, children }: { title: string; close: () => void; children: ComponentChildren }) {
  const box = useRef<HTMLDialogElement>(null);
  const heading = useId();
  useEffect(() => {
    const before = document.activeElement;
    box.current?.showModal();
    return () => (before as HTMLElement | null)?.focus?.();
  }, []);
  return (
    <dialog ref={box} aria-labelledby={heading} onClose={close}>
      <header>
        <h2 id={heading}>{title}</h2>
        <button type="button" class="quiet" onClick={() => box.current?.close()}>
          {words.value.close}
        </button>
      </header>
      {children}
    </dialog>
  );
}

/** Those one can write to, by name. */
function everyone(withMe: boolean): UserInfo[] {
  const all = [...users.value.values()].filter((user) => !user.disabled && !user.deactivated && (withMe || user.user !== me.value));
  return all.sort((one, other) => (one.display_name || one.name).localeCompare(other.display_name || other.name));
}

export function NewMessage({ close }: { close: () => void }) {
  const people = everyone(true);
  const open = (user: UserInfo) => {
    close();
    go(`/c/${directWith(user.user)?.id ?? user.user}`);
  };
  return (
    <Window title={words.value.newMessage} close={close}>
      {people.length < 2 && <p class="hint">{words.value.noPeople}</p>}
      <ul class="people">
        {people.map((user) => {
          const name = user.display_name || user.name;
          return (
            <li key={user.user}>
              <button type="button" onClick={() => open(user)}>
                <Avatar name={name} seed={user.user} />
                {user.user === me.value ? words.value.yourself(name) : name}
              </button>
            </li>
          );
        })}
      </ul>
    </Window>
  );
}

export function NewGroup({ close }: { close: () => void }) {
  const [title, setTitle] = useState('');
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const client_id = useMemo(uuidv7, []);
  const create = async () => {
    const ask = { type: 'create', client_id, kind: 'group', title: title.trim(), members: [...chosen], history: true };
    const reply = await engine().ask(ask);
    if (reply.type !== 'ack') throw new Lost('no ack');
    close();
    go(`/c/${reply.conversation}`);
  };
  const toggle = (user: string) => {
    const next = new Set(chosen);
    if (!next.delete(user)) next.add(user);
    setChosen(next);
  };
  return (
    <Window title={words.value.newGroup} close={close}>
      <Form go={create} label={words.value.create}>
        <Field label={words.value.groupName} value={title} onInput={setTitle} maxLength={60} autofocus />
        <fieldset>
          <legend>{words.value.pickPeople}</legend>
          {everyone(false).length === 0 && <p class="hint">{words.value.noPeople}</p>}
          {everyone(false).map((user) => (
            <label key={user.user}>
              <input type="checkbox" checked={chosen.has(user.user)} onChange={() => toggle(user.user)} />
              {user.display_name || user.name}
            </label>
          ))}
        </fieldset>
      </Form>
    </Window>
  );
}

/** Into the first group that one owns: the team's. */
export function InviteDialog({ close }: { close: () => void }) {
  const team = listed.value.filter((one) => one.kind === 'group' && one.role !== 'member').sort((a, b) => (a.id < b.id ? -1 : 1))[0];
  const { handed, make, another } = useInvitation(team?.id);
  return (
    <Window title={words.value.inviteTitle} close={close}>
      {handed ? (
        <>
          <Invitation invitation={handed.invitation} team={team?.title ?? words.value.app} />
          {handed.again && <Another go={another} />}
        </>
      ) : (
        <Form go={make} label={words.value.invite}>
          <p>{words.value.inviteLead(team?.title ?? words.value.app)}</p>
        </Form>
      )}
    </Window>
  );
}
