// What the server was started with, and what each setting means. What must not live here: changing it, which the server's own
// file does; the meanings in Chinese (i18n/tuning.ts).
import { useState } from 'preact/hooks';
import { words } from '../../i18n';
import { office } from '../../i18n/office';
import { oversight } from '../../i18n/oversight';
import { tuning } from '../../i18n/tuning';
import type { ServerSetting, ServerSettings } from '../../proto';
import { get } from './http';
import { Link, Loaded, Page, Part, Switch, useLoad } from './parts';

export const settings = () => get<ServerSettings>('admin/settings');

/** As it stands in the file, without the quotes of a text. */
export function shown(value: string): string {
  const plain = value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value === '[]' ? '' : value;
  return plain === '' ? office.value.empty : plain;
}

export function Settings() {
  const load = useLoad(settings);
  const [changed, setChanged] = useState(false);
  const w = office.value;
  return (
    <Page title={w.settings} back="/admin" lead={w.settingsLead}>
      <Loaded from={load}>
        {(all) => (
          <>
            <p class="hint">{all.source ? w.settingsFrom(all.source) : w.settingsUsual}</p>
            <Switch label={w.settingsChanged} on={changed} set={setChanged} />
            <Sections settings={all.settings.filter((one) => !changed || one.value !== one.usual)} />
          </>
        )}
      </Loaded>
    </Page>
  );
}

const sectionOf = (one: ServerSetting) => (one.key.includes('.') ? one.key.split('.')[0]! : 'kinglet');

function Sections({ settings: all }: { settings: readonly ServerSetting[] }) {
  const names = [...new Set(all.map(sectionOf))];
  if (!names.length) return <p class="nothing">{office.value.nothingChanged}</p>;
  return (
    <>
      {names.map((name) => (
        <Part key={name} title={`[${name}]`}>
          <Rows name={name} rows={all.filter((one) => sectionOf(one) === name)} />
        </Part>
      ))}
    </>
  );
}

function Rows({ name, rows }: { name: string; rows: readonly ServerSetting[] }) {
  const { settings: label, usual } = office.value;
  const meaning = (one: ServerSetting) => {
    const own = words.value.lang === 'en' ? undefined : tuning[one.key];
    return own ? <span>{own}</span> : <span lang="en"><small>{one.about.replaceAll('\n', ' ')}</small></span>;
  };
  return (
    <dl class="settings" aria-label={`${label}: ${name}`}>
      {rows.map((one) => (
        <div key={one.key}>
          <dt>
            <code>{one.key}</code>
          </dt>
          <dd>
            <p>
              <strong>{shown(one.value)}</strong> {one.value !== one.usual && <span class="tag">{usual(shown(one.usual))}</span>}
            </p>
            {meaning(one)}
            {one.key === 'listen.canonical_url' && one.value === one.usual && <Link to="/admin/server">{oversight.value.addressSetting}</Link>}
          </dd>
        </div>
      ))}
    </dl>
  );
}

