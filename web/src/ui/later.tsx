// Pages that are loaded when somebody goes there. What must not live here: the pages.
import type { ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { words } from '../i18n';

/** A page by the function that loads it; loaded once. Without a line it says so, and can be tried again. */
export function later<Props extends object>(load: () => Promise<ComponentType<Props>>): ComponentType<Props> {
  let loaded: ComponentType<Props> | undefined;
  return function Later(props: Props) {
    const [lost, setLost] = useState(false);
    const [, setTries] = useState(0);
    const fetchIt = () => {
      setLost(false);
      load()
        .then((page) => {
          loaded = page;
          setTries((tries) => tries + 1);
        })
        .catch(() => setLost(true));
    };
    useEffect(() => {
      if (!loaded) fetchIt();
    }, []);
    const Page = loaded;
    if (Page) return <Page {...props} />;
    return (
      <main class="old">
        <p role={lost ? 'alert' : 'status'}>{lost ? words.value.pageLost : words.value.working}</p>
        {lost && (
          <button type="button" class="main" onClick={fetchIt}>
            {words.value.retry}
          </button>
        )}
      </main>
    );
  };
}
