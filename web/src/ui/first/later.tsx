// Pages that are fetched when somebody gets to them. What must not live here: the pages.
import type { ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { words } from '../../i18n';

/** A component that is fetched at its first use; where that fails, it can be tried again. */
export function later<P extends object>(load: () => Promise<ComponentType<P>>): (props: P) => preact.JSX.Element | null {
  let known: ComponentType<P> | undefined;
  return function Later(props: P) {
    const [tries, setTries] = useState(0);
    const [lost, setLost] = useState(false);
    const [, setThere] = useState(known !== undefined);
    useEffect(() => {
      if (known) return;
      setLost(false);
      load().then(
        (found) => {
          known = found;
          setThere(true);
        },
        () => setLost(true),
      );
    }, [tries]);
    if (known) {
      const Known = known;
      return <Known {...props} />;
    }
    if (!lost) return null;
    return (
      <div class="empty">
        <p role="alert">{words.value.errors.lost}</p>
        <button type="button" onClick={() => setTries(tries + 1)}>
          {words.value.retry}
        </button>
      </div>
    );
  };
}
