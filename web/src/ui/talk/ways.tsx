// The ways out for a message that did not go: again, changed, copied, gone. And what another device had begun to write. What
// must not live here: why it was refused.
import { useState } from 'preact/hooks';
import type { OutboxRow } from '../../engine/records';
import type { Body } from '../../proto';
import { explained, words } from '../../i18n';
import { FileWrong } from '../files/slot';
import { directWith, engine } from '../state';
import { draftOf, putDraft, settleOther } from './drafts';

export function WaysOut({ row }: { row: OutboxRow }) {
  const [copied, setCopied] = useState(false);
  const body = row.change.body as Body | undefined;
  const text = body?.kind === 'text' ? body.text : undefined;
  const { failed, retry, discard, editAgain, copyText, copied: done } = words.value;
  const edit = () => {
    if (text === undefined) return;
    putDraft(placeOf(row), text);
    void engine().discard(row.n);
  };
  const copy = () => void toClipboard(text ?? '').then(setCopied);
  return (
    <div class="failed" role="alert">
      <p>
        <strong>{failed}.</strong> {row.file ? <FileWrong row={row} /> : row.error ? explained(row.error) : ''}
      </p>
      <p>
        <Way label={retry} act={() => void engine().retry(row.n)} />
        {text !== undefined && <Way label={editAgain} act={edit} />}
        {text !== undefined && <Way label={copied ? done : copyText} act={copy} />}
        <Way label={discard} act={() => void engine().discard(row.n)} />
      </p>
    </div>
  );
}

function Way({ label, act }: { label: string; act: () => void }) {
  return (
    <button type="button" class="quiet" onClick={act}>
      {label}
    </button>
  );
}

/** The composer in which it was written. */
function placeOf(row: OutboxRow): string {
  const { conversation, to } = row.change as { conversation?: string; to?: string };
  return conversation ?? (to ? (directWith(to)?.id ?? to) : '');
}

/** Without a secure context there is no clipboard, but the old way through a selection. */
async function toClipboard(text: string): Promise<boolean> {
  try {
    if (navigator.clipboard) {
      await navigator.clipboard.writeText(text);
      return true;
    }
    const box = document.createElement('textarea');
    box.value = text;
    box.className = 'unseen';
    document.body.append(box);
    box.select();
    const done = document.execCommand('copy');
    box.remove();
    return done;
  } catch {
    return false;
  }
}

export function OtherDraft({ id }: { id: string }) {
  const { other } = draftOf(id);
  if (!other) return null;
  const { otherDraft, useOther, dropOther } = words.value;
  return (
    <div class="otherdraft" role="status">
      <p>
        {otherDraft} <q>{other.length > 200 ? `${other.slice(0, 200)}…` : other}</q>
      </p>
      <Way label={useOther} act={() => settleOther(id, true)} />
      <Way label={dropOther} act={() => settleOther(id, false)} />
    </div>
  );
}
