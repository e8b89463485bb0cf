// The menu at the head of the list: who one is here, and the ways to settings. What must not live here: settings.
import { useEffect, useRef } from 'preact/hooks';
import { words } from '../i18n';
import { Avatar } from './avatar';
import { nextTheme, theme } from './look';
import { LanguageButton } from './parts';
import { go } from './route';
import { engine, me, outbox, session, users } from './state';
import { finding } from './together/wishes';

/** One's role as the server told it last; what the session was begun with may be older. */
export function myRole(): string {
  const known = users.value.get(me.value);
  return known ? (known.role ?? 'member') : (session.value?.role ?? 'member');
}

export async function signOut(): Promise<void> {
  const waits = outbox.value.some((row) => row.state === 'waiting');
  if (waits && !confirm(words.value.signOutAsk)) return;
  await engine().signOut();
  go('/', true);
}

export function Menu() {
  const box = useRef<HTMLDetailsElement>(null);
  const known = users.value.get(me.value);
  const name = known?.display_name || known?.name || session.value?.display_name || session.value?.name || '';
  useEffect(() => {
    const shut = (event: Event) => {
      const { current } = box;
      const escapes = event instanceof KeyboardEvent && event.key === 'Escape' && current?.open;
      if (escapes) current.querySelector('summary')?.focus();
      const outside = event.type === 'pointerdown' && !current?.contains(event.target as Node);
      if (current && (escapes || outside)) current.open = false;
    };
    addEventListener('pointerdown', shut);
    addEventListener('keydown', shut);
    return () => {
      removeEventListener('pointerdown', shut);
      removeEventListener('keydown', shut);
    };
  }, []);
  const keys = () => {
    if (box.current) box.current.open = false;
    finding.value = 'keys';
  };
  const { menu, mySettings, administration, themes } = words.value;
  return (
    <details class="menu" ref={box}>
      <summary aria-label={menu}>
        <Avatar name={name} seed={me.value} />
      </summary>
      <div>
        <p>{name}</p>
        <Way to="/me" label={mySettings} />
        {myRole() !== 'member' && <Way to="/admin" label={administration} />}
        {myRole() === 'owner' && <Way to="/sheet" label={words.value.emergencySheet} />}
        <button type="button" class="quiet" onClick={nextTheme}>
          {words.value.theme}: {themes[theme.value]}
        </button>
        <LanguageButton />
        <button type="button" class="quiet only-desktop" onClick={keys}>
          {words.value.shortcuts}
        </button>
        <button type="button" class="quiet" onClick={() => void signOut()}>
          {words.value.signOut}
        </button>
      </div>
    </details>
  );
}

function Way({ to, label }: { to: string; label: string }) {
  const follow = (event: MouseEvent) => {
    if (event.metaKey || event.ctrlKey) return;
    event.preventDefault();
    go(to);
  };
  return (
    <a class="way" href={to} onClick={follow}>
      {label}
    </a>
  );
}
