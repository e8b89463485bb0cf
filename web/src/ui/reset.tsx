// A new password by an admin's link. What must not live here: asking for one.
import { useEffect, useState } from 'preact/hooks';
import { Refused } from '../engine/refusal';
import type { ResetCheck } from '../proto';
import { explained, words } from '../i18n';
import { enter } from './enter';
import { rightPassword } from './first/right';
import { HaveAccount } from './join';
import { Field, Form, Sheet } from './parts';
import { go } from './route';
import { engine, session } from './state';

type Checked = { is: 'asking' | 'bad' } | { is: 'good'; check: ResetCheck } | { is: 'lost'; why: string };

export function Reset({ code }: { code: string }) {
  const [checked, setChecked] = useState<Checked>({ is: 'asking' });
  const [tries, setTries] = useState(0);
  useEffect(() => {
    engine()
      .api.checkReset({ code })
      .then((check) => setChecked({ is: 'good', check }))
      .catch((error: unknown) => {
        const bad = error instanceof Refused && error.retryAfter === undefined && error.code !== 'internal';
        setChecked(bad ? { is: 'bad' } : { is: 'lost', why: explained(error) });
      });
  }, [code, tries]);
  const { resetBadTitle, resetBad, working, retry, app } = words.value;
  if (checked.is === 'good') return <NewPassword code={code} check={checked.check} />;
  if (checked.is === 'asking') return <Sheet title={app}><p role="status">{working}</p></Sheet>;
  return (
    <Sheet title={resetBadTitle}>
      <p role="alert">{checked.is === 'lost' ? checked.why : resetBad}</p>
      {checked.is === 'lost' && (
        <button type="button" class="main" onClick={() => setTries(tries + 1)}>
          {retry}
        </button>
      )}
      <HaveAccount />
    </Sheet>
  );
}

function NewPassword({ code, check }: { code: string; check: ResetCheck }) {
  const [password, setPassword] = useState('');
  const reset = async () => {
    await enter((device) => engine().api.reset({ code, password, device }));
    go('/', true);
  };
  const { resetTitle, resetLead, resetGo, passwordHint } = words.value;
  return (
    <Sheet title={resetTitle(check.display_name || check.name)}>
      <p>{resetLead}</p>
      <Form go={reset} label={resetGo}>
        <Field label={words.value.password} hint={passwordHint} type="password" value={password} onInput={setPassword} autocomplete="new-password" autofocus check={rightPassword} />
      </Form>
      {session.value && session.value.name !== check.name && <HaveAccount />}
    </Sheet>
  );
}
