// Recording one's voice. What must not live here: what becomes of it.
import { useEffect, useRef, useState } from 'preact/hooks';
import { words } from '../../i18n';
import { fileWords, lasts } from '../../i18n/files';

export interface Spoken {
  bytes: Blob;
  ms: number;
  name: string;
  /** At once, without listening to it first. */
  send: boolean;
}

/** AAC plays everywhere; Opus where it has to be. */
const FORMS = ['audio/mp4;codecs=mp4a.40.2', 'audio/webm;codecs=opus', 'audio/ogg;codecs=opus', 'audio/mp4'];
const ENDINGS: Record<string, string> = { 'audio/mp4': 'm4a', 'audio/webm': 'webm', 'audio/ogg': 'ogg' };
const BITS_PER_SECOND = 32_000;
const LONGEST_MS = 15 * 60_000;

/** Why there is no recording here; nothing if there is. */
export function cannotRecord(): string | undefined {
  const { speakInsecure, speakUnable } = fileWords.value;
  if (!isSecureContext) return speakInsecure;
  return typeof MediaRecorder === 'undefined' || !navigator.mediaDevices?.getUserMedia ? speakUnable : undefined;
}

interface Props {
  spoken: (what: Spoken) => void;
  close: () => void;
  closeLabel: string;
}

type End = 'cancel' | 'listen' | 'send';

export function Recorder({ spoken, close, closeLabel }: Props) {
  const [wrong, setWrong] = useState(cannotRecord());
  const [from, setFrom] = useState<number>();
  const [now, setNow] = useState(0);
  const ending = useRef<(how: End) => void>(close);
  const stopButton = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (wrong) return;
    const gone = new AbortController();
    begin(gone.signal, { started: setFrom, spoken, close })
      .then((end) => (ending.current = end))
      .catch((error: unknown) => !gone.signal.aborted && setWrong(denied(error)));
    return () => {
      gone.abort();
      // Whoever turns to another conversation finds here later what was said.
      ending.current('listen');
    };
  }, []);
  useEffect(() => {
    if (from === undefined) return;
    stopButton.current?.focus();
    const timer = setInterval(() => {
      setNow(Date.now());
      if (Date.now() - from > LONGEST_MS) ending.current('listen');
    }, 250);
    return () => clearInterval(timer);
  }, [from]);
  const { recording, stop, speakSend } = fileWords.value;
  if (wrong) {
    return (
      <p class="recorder">
        <span role="alert">{wrong}</span>
        <button type="button" class="quiet" onClick={close}>{words.value.close}</button>
      </p>
    );
  }
  return (
    <p class="recorder">
      <span class={from === undefined ? 'dot' : 'dot on'} aria-hidden="true" />
      <span role="status">{from === undefined ? words.value.working : recording}</span>
      <span class="time">{lasts(from === undefined ? 0 : Math.max(0, now - from))}</span>
      <button type="button" class="quiet" onClick={() => (from === undefined ? close() : ending.current('cancel'))}>{closeLabel}</button>
      <button ref={stopButton} type="button" aria-disabled={from === undefined} onClick={() => ending.current('listen')}>{stop}</button>
      <button type="button" class="main" aria-disabled={from === undefined} onClick={() => ending.current('send')}>{speakSend}</button>
    </p>
  );
}

interface Hooks {
  started: (from: number) => void;
  spoken: (what: Spoken) => void;
  close: () => void;
}

/** Gives the function that ends it. */
async function begin(gone: AbortSignal, { started, spoken, close }: Hooks): Promise<(how: End) => void> {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: true, noiseSuppression: true } });
  const silence = () => stream.getTracks().forEach((track) => track.stop());
  if (gone.aborted) {
    silence();
    return () => {};
  }
  const mimeType = FORMS.find((form) => MediaRecorder.isTypeSupported(form));
  const recorder = new MediaRecorder(stream, { audioBitsPerSecond: BITS_PER_SECOND, ...(mimeType ? { mimeType } : {}) });
  const parts: Blob[] = [];
  let from = 0;
  let how: End = 'listen';
  recorder.ondataavailable = ({ data }) => data.size && parts.push(data);
  recorder.onstart = () => {
    from = Date.now();
    started(from);
  };
  recorder.onstop = () => {
    silence();
    const [type = 'audio/webm'] = recorder.mimeType.split(';');
    const ms = Date.now() - from;
    const bytes = new Blob(parts, { type });
    if (how === 'cancel' || !bytes.size) close();
    else spoken({ bytes, ms, name: `voice-${stamp(from)}.${ENDINGS[type] ?? 'webm'}`, send: how === 'send' });
  };
  recorder.start(1_000);
  return (wish) => {
    if (recorder.state === 'inactive') return;
    how = wish;
    recorder.stop();
  };
}

function stamp(ms: number): string {
  const day = new Date(ms - new Date(ms).getTimezoneOffset() * 60_000);
  return day.toISOString().slice(0, 16).replace(/[T:]/g, '-');
}

function denied(error: unknown): string {
  const { speakDenied, speakNone } = fileWords.value;
  return (error as DOMException).name === 'NotFoundError' ? speakNone : speakDenied;
}
