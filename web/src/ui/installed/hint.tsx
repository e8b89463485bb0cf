// The invitation to install the client: by the browser's own question, or in words where there is none. It comes when somebody
// has come back and talks, and does not come again after a no. What must not live here: when the browser asks (begin.ts).
import { useState } from 'preact/hooks';
import { installedWords } from '../../i18n/installed';
import { installPrompt } from './begin';
import { canInstall, DECLINED, isApplePhone, isInstalled } from './moment';
import './installed.css';

/** For the page of this device: always says what can be done. */
export function InstallButton() {
  const { installed, installLead, installApple, installMenu } = installedWords.value;
  if (isInstalled()) return <p>{installed}</p>;
  return (
    <>
      <p>{installLead}</p>
      {installPrompt.value ? <Ask /> : <p class="hint">{isApplePhone() ? installApple : installMenu}</p>}
    </>
  );
}

function Ask() {
  const ask = async () => {
    const prompt = installPrompt.value;
    // It can be asked once.
    installPrompt.value = undefined;
    const answer = await prompt?.prompt();
    if (answer?.outcome === 'dismissed') localStorage.setItem(DECLINED, 'yes');
  };
  return (
    <button type="button" class="main" onClick={() => void ask()}>
      {installedWords.value.install}
    </button>
  );
}

export function InstallHint() {
  const [gone, setGone] = useState(false);
  const { installLead, installApple, later, app } = installedWords.value;
  if (gone || !canInstall()) return null;
  const decline = () => {
    localStorage.setItem(DECLINED, 'yes');
    setGone(true);
  };
  return (
    <aside class="install-hint" aria-label={app}>
      <p>
        {installLead} {installPrompt.value ? '' : installApple}
      </p>
      <div>
        {installPrompt.value && <Ask />}
        <button type="button" class="quiet" onClick={decline}>
          {later}
        </button>
      </div>
    </aside>
  );
}
