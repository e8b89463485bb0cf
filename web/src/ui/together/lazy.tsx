// Parts that are fetched when they are needed first. What must not live here: the parts.
import type { ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { explained } from '../../i18n';
import { Lost } from '../../engine/refusal';
import { tell } from './acts';

/** Shows nothing until it is there. Without a line it may not come; then it is said, and the next time asked again. */
export function lazy<Props extends object>(load: () => Promise<ComponentType<Props>>) {
  let there: ComponentType<Props> | undefined;
  return function Later(props: Props) {
    const [Part, setPart] = useState<ComponentType<Props> | undefined>(() => there);
    useEffect(() => {
      if (there) return;
      load().then(
        (part) => {
          there = part;
          setPart(() => part);
        },
        () => tell(explained(new Lost('a part did not come'))),
      );
    }, []);
    return Part ? <Part {...props} /> : null;
  };
}
