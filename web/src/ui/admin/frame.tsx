// The frame of settings: on a desktop the pages at the side and one of them beside it, on a phone one or the other. What must
// not live here: pages.
import type { ComponentChildren } from 'preact';
import { useEffect } from 'preact/hooks';
import { desk } from '../../i18n/desk';
import { words } from '../../i18n';
import '../admin.css';
import { Link } from './parts';

export interface Entry {
  at: string;
  name: string;
  /** Only the page's own: shown when the page is chosen. */
  page: () => ComponentChildren;
}

interface Props {
  base: '/me' | '/admin';
  title: string;
  at: string | undefined;
  entries: readonly Entry[];
}

/** Without a page the list is shown on a phone, and the first page beside it on a desktop. */
export function Frame({ base, title, at, entries }: Props) {
  const chosen = entries.find((entry) => entry.at === at) ?? (at === undefined ? entries[0] : undefined);
  useEffect(() => {
    if (at === undefined) document.title = `${title} · ${words.value.app}`;
  }, [at, title]);
  return (
    <main class={at === undefined ? 'desk list-first' : 'desk'}>
      <nav aria-label={title}>
        <header>
          <Link to="/" class="back">
            <span aria-hidden="true">‹</span>
            <span class="unseen">{desk.value.toChat}</span>
          </Link>
          {/* Without a page it is the list that one came for. */}
          {at === undefined ? <h1 class="desk-title">{title}</h1> : <p class="desk-title">{title}</p>}
        </header>
        <ul>
          {entries.map((entry) => (
            <li key={entry.at}>
              <Link to={`${base}/${entry.at}`} current={entry === chosen}>
                {entry.name}
              </Link>
            </li>
          ))}
        </ul>
      </nav>
      <div class="desk-page" key={chosen?.at}>
        {chosen ? chosen.page() : <Unknown to={base} />}
      </div>
    </main>
  );
}

function Unknown({ to }: { to: string }) {
  return (
    <div class="page-body">
      <h1>{words.value.errors.not_found}</h1>
      <p>
        <Link to={to}>{desk.value.back}</Link>
      </p>
    </div>
  );
}
