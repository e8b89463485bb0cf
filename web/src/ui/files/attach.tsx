// How files get to where one writes: the button, paste, drop, and the camera of a phone. What must not live here: what is done
// with them (tray.tsx), which comes when the first one is there.
import { signal } from '@preact/signals';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { ConversationRecord } from '../../engine/records';
import { fileWords } from '../../i18n/files';
import type { To } from './slot';
import './attach.css';

type Tray = typeof import('./tray');

const tray = signal<Tray | undefined>(undefined);
const load = async (): Promise<Tray> => (tray.value ??= await import('./tray'));
/** A person's tray stays theirs when the first words make a conversation of it. */
export function placeOf(to: To, thread?: number): string {
  const talk = 'user' in to ? to.user : (to.kind === 'direct' && to.peer) || to.id;
  return thread ? `${talk}/${thread}` : talk;
}

/** True when files are there to be sent; then `sendFiles` sends them with what was written. */
export const hasFiles = (to: To, thread?: number): boolean => tray.value?.chosen(placeOf(to, thread)) ?? false;
export async function sendFiles(to: To, caption: string, more?: Record<string, unknown>): Promise<boolean> {
  return (await load()).sendAll(to, caption, more);
}

const touch = () => matchMedia('(pointer: coarse)').matches;

const PATHS = {
  clip: 'M20 11l-8.5 8.5a5 5 0 0 1-7-7L13 4a3.3 3.3 0 0 1 4.7 4.7l-8.5 8.5a1.7 1.7 0 0 1-2.4-2.4L14.5 7',
  mic: 'M12 3a3 3 0 0 0-3 3v5a3 3 0 0 0 6 0V6a3 3 0 0 0-3-3zM5.5 11a6.5 6.5 0 0 0 13 0M12 17.5V21',
  folder: 'M3 7a2 2 0 0 1 2-2h4l2 2h8a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2z',
};

export function Icon({ of }: { of: keyof typeof PATHS }) {
  return (
    <svg class="files-icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[of]} />
    </svg>
  );
}

/** All files of the conversation, for its head. */
export function FilesButton({ record }: { record: ConversationRecord }) {
  const { filesOf } = fileWords.value;
  const open = () => void import('./list').then(({ openFiles }) => openFiles(record));
  return (
    <button type="button" class="quiet icon files-of" aria-label={filesOf} title={filesOf} onClick={open}>
      <Icon of="folder" />
    </button>
  );
}

/** Goes into the form in which one writes. */
export function Attach({ to, thread }: { to: To; thread?: number | undefined }) {
  const place = placeOf(to, thread);
  const there = tray.value;
  const mark = useRef<HTMLSpanElement>(null);
  const add = async (files: readonly File[]) => {
    if (!files.length) return;
    (await load()).add(place, files);
    // For a word with them, and Enter.
    if (!touch()) mark.current?.closest('form')?.querySelector('textarea')?.focus({ preventScroll: true });
  };
  const speak = () => void load().then((all) => all.speak(place));
  return (
    <>
      {there && <there.Tray to={to} thread={thread} />}
      <span ref={mark} hidden />
      <Picks add={add} />
      <button type="button" class="quiet round speak" aria-label={fileWords.value.speak} title={fileWords.value.speak} onClick={speak}>
        <Icon of="mic" />
      </button>
      <Target add={add} inThread={thread !== undefined} />
    </>
  );
}

function Picks({ add }: { add: (files: readonly File[]) => unknown }) {
  const { attach, pickPictures, pickCamera, pickFile } = fileWords.value;
  const menu = useRef<HTMLDetailsElement>(null);
  const close = () => {
    if (menu.current) menu.current.open = false;
  };
  useEffect(() => {
    const away = (event: Event) => menu.current?.contains(event.target as Node) || close();
    document.addEventListener('pointerdown', away);
    return () => document.removeEventListener('pointerdown', away);
  }, []);
  const escape = (event: KeyboardEvent) => {
    if (event.key !== 'Escape') return;
    close();
    menu.current?.querySelector('summary')?.focus();
  };
  const input = (label: string, more: Record<string, string>) => (
    <label class="pick">
      {label}
      <input
        type="file"
        multiple={!more.capture}
        {...more}
        onChange={({ currentTarget: box }) => {
          close();
          add([...(box.files ?? [])]);
          // The same file may be chosen again.
          box.value = '';
        }}
      />
    </label>
  );
  return (
    <details ref={menu} class="picks" onKeyDown={escape}>
      <summary aria-label={attach} title={attach}>
        <Icon of="clip" />
      </summary>
      <div>
        {input(pickPictures, { accept: 'image/*,video/*' })}
        {touch() && input(pickCamera, { accept: 'image/*', capture: 'environment' })}
        {input(pickFile, {})}
      </div>
    </details>
  );
}

/** Whatever is pasted or dropped, anywhere in the conversation. */
function Target({ add, inThread }: { add: (files: readonly File[]) => unknown; inThread: boolean }) {
  const mark = useRef<HTMLSpanElement>(null);
  const [over, setOver] = useState(false);
  const now = useRef(add);
  now.current = add;
  // At once: a file that is dropped before would be opened in the page's place.
  useLayoutEffect(() => {
    let depth = 0;
    // Beside a thread there are two where one writes: that in which it lands, else the conversation's own.
    const mine = (event: Event) => {
      const form = (event.target as Element | null)?.closest?.('.composer');
      return form ? form.contains(mark.current) : !inThread;
    };
    const elsewhere = ({ target }: Event) => document.querySelector('dialog[open]') !== null && !(target as Element | null)?.closest?.('.composer');
    const brings = (event: DragEvent) => event.dataTransfer?.types.includes('Files') === true;
    const listeners: Partial<Record<keyof DocumentEventMap, (event: never) => void>> = {
      paste: (event: ClipboardEvent) => {
        const files = [...(event.clipboardData?.files ?? [])];
        // Windows have their own paste.
        if (!files.length || isText(event.clipboardData!) || elsewhere(event) || !mine(event)) return;
        event.preventDefault();
        now.current(files);
      },
      dragenter: (event: DragEvent) => {
        if (!brings(event)) return;
        depth += 1;
        setOver(true);
      },
      dragleave: (event: DragEvent) => {
        if (!brings(event)) return;
        depth = Math.max(0, depth - 1);
        if (!depth) setOver(false);
      },
      // Without it the browser would leave this page and show the file.
      dragover: (event: DragEvent) => brings(event) && event.preventDefault(),
      drop: (event: DragEvent) => {
        depth = 0;
        setOver(false);
        if (!brings(event)) return;
        event.preventDefault();
        if ((event.target as Element).closest('.talk, .composer') && mine(event)) now.current(dropped(event.dataTransfer!));
      },
    };
    const all = Object.entries(listeners) as [string, EventListener][];
    for (const [name, hear] of all) document.addEventListener(name, hear);
    return () => {
      for (const [name, hear] of all) document.removeEventListener(name, hear);
    };
  }, []);
  return (
    <>
      <span ref={mark} hidden />
      {over && !inThread && <p class="drop-here">{fileWords.value.dropHere}</p>}
    </>
  );
}

/** Text from an office program comes with a picture of itself; a file from a folder only with its name. */
const isText = ({ types }: DataTransfer) => types.includes('text/plain') && (types.includes('text/html') || types.includes('text/rtf'));

/** A folder comes as a file that cannot be read. */
function dropped(data: DataTransfer): File[] {
  const isFolder = (item: DataTransferItem) => item.webkitGetAsEntry?.()?.isDirectory === true;
  return [...data.items].filter((item) => item.kind === 'file' && !isFolder(item)).flatMap((item) => item.getAsFile() ?? []);
}
