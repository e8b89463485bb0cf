// What is kept of oneself: taking it along, leaving, having it erased. What must not live here: what the archive has in it.
import { useRef, useState } from 'preact/hooks';
import { desk, size } from '../../i18n/desk';
import { mine } from '../../i18n/mine';
import { explained } from '../../i18n';
import { uuidv7 } from '../../engine/ids';
import { Refused } from '../../engine/refusal';
import type { OwnedConversation } from '../../proto';
import { part, post, raw } from '../admin/http';
import { Confirm, Page, Part, Text } from '../admin/parts';
import { Successor } from '../admin/successor';
import { go } from '../route';
import { engine, session } from '../state';

export function Data() {
  const { data, export: title, exportLead, leave, leaveLead, erase, eraseLead } = mine.value;
  return (
    <Page title={data} back="/me">
      <Part title={title} hint={exportLead}>
        <Export />
      </Part>
      <Part title={leave} hint={leaveLead}>
        <Leave />
      </Part>
      <Part title={erase} hint={eraseLead}>
        <Erase />
      </Part>
    </Page>
  );
}

type Progress = { is: 'idle' } | { is: 'runs' | 'done'; got: number } | { is: 'broken'; why: string };

/** Gives the archive to the browser, which puts it among its downloads. */
function save(parts: BlobPart[], name: string): void {
  const address = URL.createObjectURL(new Blob(parts, { type: 'application/x-tar' }));
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

function Export() {
  const [progress, setProgress] = useState<Progress>({ is: 'idle' });
  const stop = useRef<AbortController>(undefined);
  const run = async () => {
    const cut = new AbortController();
    stop.current = cut;
    setProgress({ is: 'runs', got: 0 });
    try {
      const response = await raw('me/export', { signal: cut.signal });
      const day = new Date().toISOString().slice(0, 10);
      const parts: BlobPart[] = [];
      const reader = response.body!.getReader();
      let got = 0;
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        got += value.length;
        parts.push(value);
        setProgress({ is: 'runs', got });
      }
      save(parts, `kinglet-${session.value?.name ?? 'me'}-${day}.tar`);
      setProgress({ is: 'done', got });
    } catch (error) {
      if (cut.signal.aborted) return setProgress({ is: 'idle' });
      const { code } = error as { code?: string };
      setProgress({ is: 'broken', why: code === 'rate_limited' ? mine.value.exportOften : code ? explained(error) : mine.value.exportBroken });
    }
  };
  const { exportGo, exportRuns, exportStop, exportDone } = mine.value;
  const runs = progress.is === 'runs';
  return (
    <>
      <div class="choices">
        <button type="button" class="main" aria-disabled={runs} onClick={() => !runs && void run()}>
          {exportGo}
        </button>
        {runs && (
          <button type="button" onClick={() => stop.current?.abort()}>
            {exportStop}
          </button>
        )}
      </div>
      {runs && <progress aria-label={exportGo} />}
      <p role={progress.is === 'broken' ? 'alert' : 'status'} class={progress.is === 'broken' ? 'wrong' : undefined}>
        {progress.is === 'runs' && exportRuns(size(progress.got))}
        {progress.is === 'done' && exportDone(size(progress.got))}
        {progress.is === 'broken' && progress.why}
      </p>
    </>
  );
}

/** The token is dead by then: what is left here is taken away. */
async function gone(): Promise<void> {
  await engine().signOut();
  go('/', true);
}

function Leave() {
  const [asks, setAsks] = useState(false);
  const [password, setPassword] = useState('');
  const [owned, setOwned] = useState<OwnedConversation[]>();
  const { leave, leaveLead, leaveGo } = mine.value;
  const leaving = async (successor?: string) => {
    const needed = await part('leave', { client_id: uuidv7(), password, ...(successor ? { successor } : {}) });
    if (needed && successor) throw new Refused('owner_must_stay', '', '');
    if (needed) setOwned(needed);
    else await gone();
  };
  return (
    <div>
      <button type="button" class="danger" onClick={() => setAsks(true)}>
        {leave}
      </button>
      {asks && (
        <Confirm title={leave} lead={<p>{leaveLead}</p>} act={leaveGo} danger go={() => leaving()} close={() => setAsks(false)}>
          <Text label={desk.value.password} type="password" value={password} set={setPassword} autocomplete="current-password" />
        </Confirm>
      )}
      {owned && <Successor owned={owned} act={leaveGo} go={leaving} close={() => setOwned(undefined)} />}
    </div>
  );
}

function Erase() {
  const [asks, setAsks] = useState(false);
  const [password, setPassword] = useState('');
  const name = session.value?.name ?? '';
  const erase = async () => {
    await post('me/erase', { password, confirm: name });
    await gone();
  };
  const { erase: title, eraseTitle, eraseWhat, eraseStays, eraseGo } = mine.value;
  const lead = (
    <>
      <ul>
        {eraseWhat.map((line) => (
          <li key={line}>{line}</li>
        ))}
      </ul>
      <p>{eraseStays}</p>
    </>
  );
  return (
    <div>
      <button type="button" class="danger" onClick={() => setAsks(true)}>
        {title}
      </button>
      {asks && (
        <Confirm title={eraseTitle} lead={lead} act={eraseGo} danger typed={name} go={erase} close={() => setAsks(false)}>
          <Text label={desk.value.password} type="password" value={password} set={setPassword} autocomplete="current-password" />
        </Confirm>
      )}
    </div>
  );
}
