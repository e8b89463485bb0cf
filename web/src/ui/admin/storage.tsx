// What is stored, how much may be, and for how long. What must not live here: changing it, which the server's own file does.
import { count, desk, size } from '../../i18n/desk';
import { office } from '../../i18n/office';
import type { ServerHealth, ServerSettings, Storage as Mine } from '../../proto';
import { get } from './http';
import { Figure, Loaded, Page, Part, useLoad } from './parts';
import { settings } from './settings';

interface Held {
  health: ServerHealth;
  settings: ServerSettings;
  mine: Mine;
}

async function held(): Promise<Held> {
  const [health, told, mine] = await Promise.all([get<ServerHealth>('admin/health'), settings(), get<Mine>('uploads')]);
  return { health, settings: told, mine };
}

const MIB = 1_048_576;

export function Storage() {
  const load = useLoad(held);
  const { storage, storageHow, storageHowLead } = office.value;
  return (
    <Page title={storage} back="/admin">
      <Loaded from={load}>{(all) => <Figures held={all} />}</Loaded>
      <Part title={storageHow} hint={storageHowLead} />
    </Page>
  );
}

function Figures({ held: { health, settings: told, mine } }: { held: Held }) {
  const w = office.value;
  const { disk } = health;
  const number = (key: string) => Number(told.settings.find((one) => one.key === key)?.value ?? 0);
  const days = number('retention.days');
  const free = disk.free ?? undefined;
  const total = disk.total ?? undefined;
  return (
    <dl class="figures">
      <Figure name={w.disk} value={free === undefined ? '—' : w.diskFree(size(free))} note={total ? w.ofMost(size(total)) : w.diskUnknown} share={free !== undefined && total ? 1 - free / total : undefined} />
      <Figure name={w.database} value={size(disk.database)} note={`${w.events}: ${count(health.events)}`} />
      <Figure name={w.storageFiles} value={size(disk.files)} note={`${w.ofMost(size(disk.files_limit))}${number('files.total_mib') ? '' : ` (${w.percent})`}`} share={disk.files_limit ? disk.files / disk.files_limit : undefined} />
      <Figure name={w.storageReserve} value={size(number('files.reserve_mib') * MIB)} />
      <Figure name={w.storageFile} value={size(mine.file_bytes)} />
      <Figure name={w.storageUser} value={size(mine.user_bytes)} />
      <Figure name={w.storageMine} value={size(mine.used_bytes)} note={w.ofMost(size(mine.user_bytes))} share={mine.user_bytes ? mine.used_bytes / mine.user_bytes : undefined} />
      <Figure name={w.storageRetention} value={days ? desk.value.days(days) : w.keptForEver} />
    </dl>
  );
}
