// Joining by a link, and signing in. What must not live here: the first run.
import { useEffect, useMemo, useState } from 'preact/hooks';
import { uuidv7 } from '../engine/ids';
import { Lost, Refused } from '../engine/refusal';
import type { InvitationCheck } from '../proto';
import { explained, words } from '../i18n';
import { enter } from './enter';
import { here } from './first/device';
import { rightName, rightPassword } from './first/right';
import { soon } from './first/soon';
import { askServer, team } from './first/team';
import { Field, Form, Sheet } from './parts';
import { go } from './route';
import { engine, session, wasSignedOut } from './state';

const InsideApp = soon(() => import('./first/place').then((page) => page.InsideApp));
const InstallFirst = soon(() => import('./first/place').then((page) => page.InstallFirst));

type Checked = { is: 'asking' } | { is: 'good'; check: InvitationCheck } | { is: 'bad' } | { is: 'lost'; why: string };

function useCheck(code: string): [Checked, () => void] {
  const [checked, setChecked] = useState<Checked>({ is: 'asking' });
  const [again, setAgain] = useState(0);
  useEffect(() => {
    let late = false;
    setChecked({ is: 'asking' });
    // Who the team is stands on the page, too; without an answer it does without.
    void askServer().catch(() => {});
    const tell = (now: Checked) => late || setChecked(now);
    engine()
      .api.checkInvitation({ code })
      .then((check) => tell(check.valid ? { is: 'good', check } : { is: 'bad' }))
      .catch((error: unknown) => {
        const bad = error instanceof Refused && !(error.retryAfter !== undefined) && error.code !== 'internal';
        tell(bad ? { is: 'bad' } : { is: 'lost', why: explained(error) });
      });
    return () => {
      late = true;
    };
  }, [code, again]);
  return [checked, () => setAgain(again + 1)];
}

export function Join({ code }: { code: string }) {
  const [checked, again] = useCheck(code);
  const { joinBadTitle, joinBad, joinBadNext, joinNoCode, working, retry } = words.value;
  if (code === '' || checked.is === 'bad') {
    return (
      <Sheet title={joinBadTitle}>
        <p>{code === '' ? joinNoCode : `${joinBad} ${joinBadNext}`}</p>
        <HaveAccount />
      </Sheet>
    );
  }
  if (checked.is === 'good') return <Good code={code} check={checked.check} />;
  return (
    <Sheet title={words.value.joinGo}>
      {checked.is === 'asking' ? <p role="status">{working}</p> : <p role="alert">{checked.why}</p>}
      {checked.is === 'lost' && (
        <button type="button" class="main" onClick={again}>
          {retry}
        </button>
      )}
    </Sheet>
  );
}

/** The way on from a link that leads nowhere, or that is for somebody else. */
export function HaveAccount() {
  const there = session.value;
  return (
    <p>
      {there && `${words.value.joinAlready(there.display_name || there.name)} `}
      <a href={there ? '/' : '/sign-in'} onClick={follow}>
        {there ? words.value.startTalking : words.value.haveAccount}
      </a>
    </p>
  );
}

function follow(event: MouseEvent): void {
  event.preventDefault();
  go((event.currentTarget as HTMLAnchorElement).pathname);
}

function Good({ code, check }: { code: string; check: InvitationCheck }) {
  const by = check.by_display_name || check.by_name;
  const into = check.into?.title || team.value || words.value.joinServer;
  const title = words.value.joinTitle(by, into);
  const [stay, setStay] = useState(false);
  const inside = here.inside();
  if (session.value) return <Already code={code} check={check} title={title} into={into} />;
  const mayJoin = !check.into || check.into.accounts;
  if (mayJoin && !stay && here.appleSafari()) return <InstallFirst title={title} code={code} here={() => setStay(true)} />;
  return (
    <Sheet title={title}>
      {inside && <InsideApp inside={inside} />}
      {mayJoin ? <JoinForm code={code} /> : <p>{words.value.joinNoAccounts(by)}</p>}
      <HaveAccount />
    </Sheet>
  );
}

function JoinForm({ code }: { code: string }) {
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const join = async () => {
    await enter((device) => engine().api.join({ code, name: name.trim(), password, device }));
    await openFirst();
  };
  const { joinLead, joinGo, yourName, nameHint, passwordHint } = words.value;
  return (
    <>
      <p>{joinLead}</p>
      <Form go={join} label={joinGo}>
        <Field label={yourName} hint={nameHint} value={name} onInput={setName} autocomplete="username" maxLength={32} autofocus check={rightName} />
        <Field label={words.value.password} hint={passwordHint} type="password" value={password} onInput={setPassword} autocomplete="new-password" check={rightPassword} />
      </Form>
    </>
  );
}

/** The conversation that the invitation led into is the only one there is. */
async function openFirst(): Promise<void> {
  const reply = await engine()
    .api.command({ id: 1, type: 'conversations', limit: 1 })
    .catch(() => undefined);
  const first = reply?.type === 'conversations' ? reply.conversations[0]?.conversation : undefined;
  go(first ? `/c/${first}` : '/', true);
}

function Already({ code, check, title, into }: { code: string; check: InvitationCheck; title: string; into: string }) {
  const client_id = useMemo(uuidv7, [code]);
  const accept = async () => {
    const { conversation } = await engine().api.accept({ client_id, code });
    if (!conversation) throw new Lost('no answer');
    go(`/c/${conversation}`, true);
  };
  return (
    <Sheet title={title}>
      {check.into ? (
        <Form go={accept} label={words.value.joinHere(into)}>
          {null}
        </Form>
      ) : (
        <p>{words.value.joinAlreadyNext}</p>
      )}
      <HaveAccount />
    </Sheet>
  );
}

export function SignIn() {
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const inside = here.inside();
  const signIn = async () => {
    await enter((device) => engine().api.signIn({ name: name.trim(), password, device }));
    if (location.pathname === '/sign-in') go('/', true);
  };
  const { signInLead, signedOut, signedOutNext, forgot, haveCode } = words.value;
  return (
    <Sheet title={words.value.signIn}>
      {inside && <InsideApp inside={inside} />}
      {wasSignedOut.value && <p class="note" role="status">{signedOut} {signedOutNext}</p>}
      <Form go={signIn} label={words.value.signIn}>
        <Field label={words.value.name} value={name} onInput={setName} autocomplete="username" maxLength={32} autofocus />
        <Field label={words.value.password} type="password" value={password} onInput={setPassword} autocomplete="current-password" />
      </Form>
      <p>
        <a href="/pair" onClick={follow}>
          {haveCode}
        </a>
      </p>
      <p class="hint">{signInLead}</p>
      <p class="hint">{forgot}</p>
    </Sheet>
  );
}
