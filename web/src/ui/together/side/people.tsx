// The people of a group: who they are, what may be done about them, who asks to join, and how others come in. What must not live
// here: what holds for all of them (rules.tsx).
import { useState } from 'preact/hooks';
import type { ConversationRecord } from '../../../engine/records';
import { date, words } from '../../../i18n';
import { more } from '../../../i18n/together-more';
import type { MemberInfo } from '../../../proto';
import { Avatar } from '../../avatar';
import { AddressHint, Another, useInvitation } from '../../invitation';
import { CopyLink, Form, Qr } from '../../parts';
import { go } from '../../route';
import { directWith, engine, me, outbox, personName, users } from '../../state';
import { type Roster, rosters } from '../members';

const RANK = { owner: 0, admin: 1, member: 2 };

export function People({ record, roster, leads }: { record: ConversationRecord; roster: Roster | undefined; leads: boolean }) {
  const shown = (one: MemberInfo) => one.nickname || one.display_name || one.name;
  const members = [...(roster?.members ?? [])].sort((one, other) => RANK[one.role] - RANK[other.role] || shown(one).localeCompare(shown(other)));
  return (
    <section>
      <h2>{more.value.members} ({record.members})</h2>
      <ul class="members">
        {members.map((one) => <Member key={one.user} record={record} one={one} name={shown(one)} />)}
      </ul>
      {leads && <AddPeople record={record} there={new Set(members.map((one) => one.user))} />}
    </section>
  );
}

function Member({ record, one, name }: { record: ConversationRecord; one: MemberInfo; name: string }) {
  const [open, setOpen] = useState(false);
  const { roles, bot, mutedHere, actionsFor } = more.value;
  const mine = one.user === me.value;
  const about = [one.role === 'member' ? '' : roles[one.role], one.bot ? bot : '', one.muted ? mutedHere : ''].filter(Boolean).join(' · ');
  return (
    <li>
      <div class="member">
        <Avatar name={name} seed={one.user} />
        <span>
          {mine ? words.value.yourself(name) : name}
          <small class="faint">{about}</small>
        </span>
        {!mine && (
          <button type="button" class="quiet icon" aria-label={actionsFor(name)} aria-expanded={open} onClick={() => setOpen(!open)}>
            <span aria-hidden="true">⋯</span>
          </button>
        )}
      </div>
      {open && <About record={record} one={one} name={name} done={() => setOpen(false)} />}
    </li>
  );
}

/** What the rules allow towards somebody: whose role is below one's own. */
function About({ record, one, name, done }: { record: ConversationRecord; one: MemberInfo; name: string; done: () => void }) {
  const word = more.value;
  const owner = record.role === 'owner';
  const above = (owner && one.role !== 'owner') || (record.role === 'admin' && one.role === 'member');
  const act = (change: { type: string } & Record<string, unknown>, ask?: string) => {
    if (ask && !confirm(ask)) return;
    done();
    void engine().post(record, { ...change, user: one.user });
  };
  return (
    <p class="ways">
      <button type="button" onClick={() => go(`/c/${directWith(one.user)?.id ?? one.user}`)}>{word.write}</button>
      {owner && one.role !== 'owner' && <button type="button" onClick={() => act({ type: 'role', role: one.role === 'admin' ? 'member' : 'admin' })}>{one.role === 'admin' ? word.makeMember : word.makeAdmin}</button>}
      {owner && <button type="button" onClick={() => act({ type: 'transfer' }, word.handOverAsk(name))}>{word.handOver}</button>}
      {above && <button type="button" onClick={() => act(one.muted ? { type: 'mute', seconds: 0 } : { type: 'mute' })}>{one.muted ? word.unmute : word.mute}</button>}
      {above && <button type="button" class="warn" onClick={() => act({ type: 'kick' }, word.removeAsk(name))}>{word.remove}</button>}
    </p>
  );
}

function AddPeople({ record, there }: { record: ConversationRecord; there: ReadonlySet<string> }) {
  const [open, setOpen] = useState(false);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const others = [...users.value.values()].filter((user) => !user.disabled && !user.deactivated && !there.has(user.user));
  const { addPeople, add } = more.value;
  if (!others.length) return null;
  if (!open) return <button type="button" onClick={() => setOpen(true)}>{addPeople}</button>;
  const toggle = (user: string) => {
    const next = new Set(chosen);
    if (!next.delete(user)) next.add(user);
    setChosen(next);
  };
  const go = () => {
    if (chosen.size) void engine().post(record, { type: 'invite', users: [...chosen] });
    setOpen(false);
    setChosen(new Set());
  };
  return (
    <fieldset>
      <legend>{addPeople}</legend>
      {others.map((user) => (
        <label key={user.user} class="check">
          <input type="checkbox" checked={chosen.has(user.user)} onChange={() => toggle(user.user)} />
          {user.display_name || user.name}
        </label>
      ))}
      <button type="button" class="main" onClick={go}>{chosen.size ? add : words.value.cancel}</button>
    </fieldset>
  );
}

export function Requests({ record }: { record: ConversationRecord }) {
  const roster = useRequests(record);
  const { requests, accept, decline } = more.value;
  if (!roster.length) return null;
  const decide = (user: string, yes: boolean) => void engine().post(record, { type: 'approve', user, accept: yes });
  return (
    <section>
      <h2>{requests}</h2>
      {roster.map((user) => (
        <div key={user} class="member">
          <Avatar name={personName(user)} seed={user} />
          <span>{personName(user)}</span>
          <button type="button" class="main" onClick={() => decide(user, true)}>{accept}</button>
          <button type="button" onClick={() => decide(user, false)}>{decline}</button>
        </div>
      ))}
    </section>
  );
}

/** For a week and twenty people: enough for a team, and not for ever. */
export function InviteLink({ record }: { record: ConversationRecord }) {
  const { handed, make, another } = useInvitation(record.id);
  const { inviteLink, makeLink, linkOver } = more.value;
  return (
    <section>
      <h2>{inviteLink}</h2>
      {handed ? (
        <>
          <Qr text={handed.invitation.link} label={words.value.qrLabel} />
          <CopyLink link={handed.invitation.link} />
          <p class="hint">{linkOver(handed.invitation.uses, date(handed.invitation.expires))}</p>
          <AddressHint link={handed.invitation.link} />
          {handed.again && <Another go={another} />}
        </>
      ) : (
        <Form go={make} label={makeLink}>{null}</Form>
      )}
    </section>
  );
}

/** Without those that one has decided on already. */
function useRequests(record: ConversationRecord): string[] {
  const decided = new Set(outbox.value.filter(({ change, state }) => change.type === 'approve' && change.conversation === record.id && state !== 'failed').map(({ change }) => change.user));
  return (rosters.value.get(record.id)?.requests ?? []).filter((user) => !decided.has(user));
}
