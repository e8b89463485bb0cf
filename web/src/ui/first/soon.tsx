// Parts of a page that are fetched when there is a use for them; until then, and without a line, the page does without. What must
// not live here: pages (ui/later.tsx).
import type { ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';

export function soon<P extends object>(load: () => Promise<ComponentType<P>>): ComponentType<P> {
  let known: ComponentType<P> | undefined;
  return function Soon(props: P) {
    const [, setThere] = useState(false);
    useEffect(() => {
      if (!known)
        void load().then(
          (found) => {
            known = found;
            setThere(true);
          },
          () => {},
        );
    }, []);
    const Known = known;
    return Known ? <Known {...props} /> : null;
  };
}
