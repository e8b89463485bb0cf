// Parts that are fetched when they are needed first. What must not live here: the parts.
import type { ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { explained } from '../../i18n';
import { Lost } from '../../engine/refusal';
import { tell } from './wishes';

const AGAIN_MS = 3_000;

/** Shows nothing until it is there. Without a line it may not come: then it is said, and asked again as long as it is wanted. */
export function lazy<Props extends object>(load: () => Promise<ComponentType<Props>>) {
  let there: ComponentType<Props> | undefined;
  return function Later(props: Props) {
    const [Part, setPart] = useState<ComponentType<Props> | undefined>(() => there);
    useEffect(() => {
      let timer: ReturnType<typeof setTimeout> | undefined;
      let wanted = there === undefined;
      const fetchIt = () =>
        load().then(
          (part) => {
            there = part;
            if (wanted) setPart(() => part);
          },
          () => {
            if (!wanted) return;
            tell(explained(new Lost('a part did not come')));
            timer = setTimeout(() => void fetchIt(), AGAIN_MS);
          },
        );
      if (wanted) void fetchIt();
      return () => {
        wanted = false;
        clearTimeout(timer);
      };
    }, []);
    return Part ? <Part {...props} /> : null;
  };
}
