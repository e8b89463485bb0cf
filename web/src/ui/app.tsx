// Which page there is: first run, joining, signing in, or the chat. What must not live here: the pages.
import { useEffect, useState } from 'preact/hooks';
import { explained, words } from '../i18n';
import { Chat } from './chat';
import { Join, SignIn } from './join';
import { later } from './later';
import { Reset } from './reset';
import { Sheet } from './parts';
import { route } from './route';
import { askServer } from './first/team';
import { session, unreadTotal } from './state';

const Setup = later(() => import('./setup').then((page) => page.Setup));
const Pair = later(() => import('./first/pair').then((page) => page.default));
const AnotherSheet = later(() => import('./first/again').then((page) => page.default));

const Mine = later(() => import('./mine/mine').then((module) => module.Mine));
const Share = later(() => import('./installed/share').then((module) => module.Share));
const Admin = later(() => import('./admin/admin').then((module) => module.Admin));

export function App() {
  // The first run goes on for a page after one is signed in.
  const [settingUp, setSettingUp] = useState(false);
  useEffect(() => {
    document.documentElement.lang = words.value.lang;
  }, [words.value.lang]);
  const at = route.value;
  if (at.page === 'join') return <Join code={at.code} />;
  if (at.page === 'pair') return <Pair code={at.code} />;
  if (at.page === 'reset') return <Reset code={at.code} />;
  if (settingUp) return <Setup done={() => setSettingUp(false)} />;
  if (session.value && at.page === 'sheet') return <AnotherSheet />;
  if (session.value && at.page === 'share') return <Share />;
  if (session.value && at.page === 'me') return <Mine at={at.at} />;
  if (session.value && at.page === 'admin') return <Admin at={at.at} row={at.row} />;
  if (session.value) return <Chat />;
  if (at.page === 'sign-in') return <SignIn />;
  return <Outside claim={() => setSettingUp(true)} />;
}

/** A server that nobody owns is set up; at any other one signs in. */
function Outside({ claim }: { claim: () => void }) {
  const [state, setState] = useState<'asking' | 'owned' | string>('asking');
  const [tries, setTries] = useState(0);
  useEffect(() => {
    askServer()
      .then((health) => (health.claimed ? setState('owned') : claim()))
      .catch((error: unknown) => setState(explained(error)));
  }, [tries]);
  if (state === 'owned') return <SignIn />;
  if (state === 'asking') return null;
  return (
    <Sheet title={words.value.app}>
      <p role="alert">{state}</p>
      <button type="button" class="main" onClick={() => setTries(tries + 1)}>
        {words.value.retry}
      </button>
    </Sheet>
  );
}

export function title(): string {
  const count = unreadTotal.value;
  return count ? `(${count}) ${words.value.app}` : words.value.app;
}
