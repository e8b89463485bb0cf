// One of the people, and what an admin may do about them. What must not live here: warnings, mutes and bans (measures.tsx).
import { useEffect, useMemo, useState } from 'preact/hooks';
import { ago, count, desk, moment } from '../../i18n/desk';
import { office } from '../../i18n/office';
import { uuidv7 } from '../../engine/ids';
import { Refused } from '../../engine/refusal';
import type { Erasure, OwnedConversation, ResetLink, ServerRole, UserProfile } from '../../proto';
import { Avatar } from '../avatar';
import { Window } from '../dialogs';
import { myRole } from '../menu';
import { CopyLink, Qr } from '../parts';
import { me } from '../state';
import { get, part, post } from './http';
import { Devices } from './devices';
import { Measures } from './measures';
import { Confirm, Link, Loaded, Page, Part, Said, Select, useAct, useLoad } from './parts';
import { Tags } from './people';
import { Successor } from './successor';

export function Person({ id }: { id: string }) {
  const load = useLoad(() => get<UserProfile>(`users/${id}`), [id]);
  const title = load.value ? load.value.display_name || load.value.name : office.value.people;
  return (
    <Page title={title} back="/admin/people">
      <Loaded from={load}>{(user) => <Shown user={user} again={load.again} />}</Loaded>
    </Page>
  );
}

function Shown({ user, again }: { user: UserProfile; again: () => void }) {
  const { yourself, notYours, lastSeen } = office.value;
  const oneself = user.user === me.value;
  const theirs = user.role ?? 'member';
  const mayAct = !oneself && !user.erased && (myRole() === 'owner' || theirs === 'member');
  return (
    <>
      <div class="portrait">
        <Avatar name={user.display_name || user.name} seed={user.user} large />
        <div>
          <p>
            <strong>{user.name}</strong> · {desk.value.roles[theirs]}
          </p>
          <Tags user={user} />
          {user.status?.text && <p>{user.status.text}</p>}
          {user.last_seen != null && (
            <p class="hint">
              {lastSeen}: {ago(user.last_seen)}
            </p>
          )}
        </div>
      </div>
      {oneself && (
        <p class="note">
          {yourself} <Link to="/me">→</Link>
        </p>
      )}
      {!oneself && !mayAct && !user.erased && <p class="note">{notYours}</p>}
      {mayAct && <Acts user={user} again={again} />}
      <Progress user={user} />
    </>
  );
}

function Acts({ user, again }: { user: UserProfile; again: () => void }) {
  return (
    <>
      {myRole() === 'owner' && !user.bot && !user.deactivated && <RolePart key={user.role} user={user} again={again} />}
      {!user.deactivated && <Access user={user} again={again} />}
      {!user.bot && !user.deactivated && <Devices key={String(user.disabled)} user={user.user} />}
      <Measures user={user.user} gone={user.deactivated === true} />
      <Ending user={user} again={again} />
    </>
  );
}

function RolePart({ user, again }: { user: UserProfile; again: () => void }) {
  const now = user.role ?? 'member';
  const [role, setRole] = useState<ServerRole>(now);
  const [asks, setAsks] = useState(false);
  const { roleSet, roleHint, roleAsk, roleWhat, change, role: label } = office.value;
  const { roles } = desk.value;
  const set = async () => {
    await post(`users/${user.user}/role`, { role });
    again();
  };
  return (
    <Part title={roleSet} hint={roleHint}>
      <div class="fields">
        <Select label={label} value={role} set={setRole} options={(['member', 'admin', 'owner'] as const).map((one) => [one, roles[one]!] as const)} />
        <button type="button" class="lone" disabled={role === now} onClick={() => setAsks(true)}>
          {change}
        </button>
      </div>
      {asks && <Confirm title={roleAsk(user.display_name || user.name, roles[role]!)} lead={<p>{roleWhat[role]}</p>} act={change} danger={role !== 'member'} go={set} close={() => setAsks(false)} />}
    </Part>
  );
}

type Asked = 'reset' | 'out' | 'lock' | undefined;

function Access({ user, again }: { user: UserProfile; again: () => void }) {
  const [asked, ask] = useState<Asked>();
  const [said, setSaid] = useState('');
  const { run, wrong } = useAct();
  const w = office.value;
  const act = (what: 'disable' | 'enable') => async () => {
    await post(`users/${user.user}/${what}`);
    again();
  };
  // Locking ends the sessions; at once afterwards one may come in again.
  const signOut = async () => {
    await post(`users/${user.user}/disable`);
    await post(`users/${user.user}/enable`).finally(again);
    setSaid(desk.value.done);
  };
  return (
    <Part title={w.access}>
      <div class="choices">
        {!user.bot && !user.disabled && (
          <button type="button" onClick={() => ask('reset')}>
            {w.reset}
          </button>
        )}
        {!user.disabled && !user.bot && (
          <button type="button" onClick={() => ask('out')}>
            {w.signOutAll}
          </button>
        )}
        {user.disabled ? (
          <button type="button" onClick={() => void run(act('enable'))}>
            {w.unlock}
          </button>
        ) : (
          <button type="button" class="danger" onClick={() => ask('lock')}>
            {w.lock}
          </button>
        )}
      </div>
      <p class="wrong" role="alert">
        {wrong}
      </p>
      <Said text={said} />
      {asked === 'reset' && <Reset user={user} close={() => ask(undefined)} />}
      {asked === 'out' && <Confirm title={w.signOutAll} lead={<p>{w.signOutAllLead}</p>} act={w.signOutAll} danger go={signOut} close={() => ask(undefined)} />}
      {asked === 'lock' && <Confirm title={w.lock} lead={<p>{w.lockLead}</p>} act={w.lock} danger go={act('disable')} close={() => ask(undefined)} />}
    </Part>
  );
}

function Reset({ user, close }: { user: UserProfile; close: () => void }) {
  const [link, setLink] = useState<ResetLink>();
  const client_id = useMemo(uuidv7, []);
  const { busy, wrong, run } = useAct();
  const make = () => run(async () => setLink(await post<ResetLink>(`users/${user.user}/reset-link`, { client_id })));
  const { reset, resetHint, resetMake, resetQr, resetTill } = office.value;
  return (
    <Window title={reset} close={close}>
      {link ? (
        <div class="secret">
          <p>{desk.value.shownOnce}</p>
          <Qr text={link.link} label={resetQr} />
          <CopyLink link={link.link} />
          <p class="hint">{resetTill(moment(link.expires))}</p>
        </div>
      ) : (
        <>
          <p>{resetHint}</p>
          <p class="wrong" role="alert">
            {wrong}
          </p>
          <button type="button" class="main" aria-disabled={busy} onClick={() => void make()}>
            {resetMake}
          </button>
        </>
      )}
    </Window>
  );
}

function Ending({ user, again }: { user: UserProfile; again: () => void }) {
  const [asked, ask] = useState<'deactivate' | 'reactivate' | 'erase'>();
  const [owned, setOwned] = useState<OwnedConversation[]>();
  const w = office.value;
  const deactivate = async (successor?: string) => {
    const needed = await part(`users/${user.user}/deactivate`, { client_id: uuidv7(), ...(successor ? { successor } : {}) });
    if (needed && successor) throw new Refused('owner_must_stay', '', '');
    if (needed) setOwned(needed);
    else again();
  };
  const reactivate = async () => {
    await post(`users/${user.user}/enable`);
    again();
  };
  const erase = async () => {
    await post<Erasure>(`users/${user.user}/erase`, { confirm: user.name });
    again();
  };
  const close = () => ask(undefined);
  return (
    <Part title={w.danger}>
      <div class="choices">
        {user.deactivated ? (
          <button type="button" onClick={() => ask('reactivate')}>
            {w.reactivate}
          </button>
        ) : (
          <button type="button" class="danger" onClick={() => ask('deactivate')}>
            {w.deactivate}
          </button>
        )}
        <button type="button" class="danger" onClick={() => ask('erase')}>
          {w.erase}
        </button>
      </div>
      {asked === 'deactivate' && <Confirm title={`${w.deactivate}: ${user.name}`} lead={<p>{w.deactivateLead}</p>} act={w.deactivate} danger go={() => deactivate()} close={close} />}
      {asked === 'reactivate' && <Confirm title={w.reactivate} lead={<p>{w.reactivateLead}</p>} act={w.reactivate} go={reactivate} close={close} />}
      {asked === 'erase' && <Confirm title={`${w.erase}: ${user.name}`} lead={<p>{w.eraseLead}</p>} act={w.eraseGo} danger typed={user.name} go={erase} close={close} />}
      {owned && <Successor owned={owned} act={w.deactivate} go={deactivate} close={() => setOwned(undefined)} />}
    </Part>
  );
}

const LOOK_MS = 1_500;

/** How far somebody's erasure is, looked at until it is done. */
function Progress({ user }: { user: UserProfile }) {
  const [erasure, setErasure] = useState<Erasure>();
  useEffect(() => {
    if (!user.erased) return;
    let over = false;
    const look = async () => {
      const now = await get<Erasure>(`users/${user.user}/erasure`);
      if (over) return;
      setErasure(now);
      if (now.state === 'running') setTimeout(() => void look().catch(() => {}), LOOK_MS);
    };
    void look().catch(() => {});
    return () => {
      over = true;
    };
  }, [user.user, user.erased]);
  if (!erasure) return null;
  const { erasing, eraseDone } = office.value;
  return (
    <p class="note" role="status">
      {erasure.state === 'done' ? eraseDone(count(erasure.erased)) : erasing(count(erasure.erased), count(erasure.conversations_left))}
    </p>
  );
}
