// The journal of admins, a page at a time, filtered. What must not live here: what writes it.
import { useState } from 'preact/hooks';
import { desk, moment, span } from '../../i18n/desk';
import { office } from '../../i18n/office';
import type { AuditEntry, AuditPage } from '../../proto';
import { personName, users } from '../state';
import { find, READ } from './pages';
import { get } from './http';
import { Loaded, Page, Pager, Select, Table, useLoad } from './parts';

export function Audit() {
  const [act, setAct] = useState('');
  const [who, setWho] = useState('');
  const [trail, setTrail] = useState<readonly number[]>([]);
  const before = trail.at(-1);
  const fits = (entry: AuditEntry) => (!act || entry.act === act) && (!who || entry.by === who || entry.whom === who);
  const load = useLoad(() => find((from) => get<AuditPage>('audit', { before: from, limit: READ }), before, fits), [act, who, before]);
  const w = office.value;
  const turn = (set: (to: string) => void) => (to: string) => {
    setTrail([]);
    set(to);
  };
  const people = [...users.value.values()].map((user) => [user.user, user.display_name || user.name] as const).sort((one, other) => one[1].localeCompare(other[1]));
  return (
    <Page title={w.audit} back="/admin" lead={w.auditLead}>
      <div class="fields">
        <Select label={w.filterAct} value={act} set={turn(setAct)} options={[['', w.anything], ...Object.entries(w.acts)]} />
        <Select label={w.filterWho} value={who} set={turn(setWho)} options={[['', w.anybody], ...people]} />
      </div>
      <Loaded from={load}>
        {(found) => (
          <>
            <Rows entries={found.entries} empty={act || who ? w.noAuditFound : w.noAudit} />
            <Pager back={trail.length ? () => setTrail(trail.slice(0, -1)) : undefined} on={found.next === undefined ? undefined : () => setTrail([...trail, found.next!])} />
          </>
        )}
      </Loaded>
    </Page>
  );
}

function detail(entry: AuditEntry): string {
  const { scopeNames, reportNo } = office.value;
  const { roles, measures } = desk.value;
  switch (entry.act) {
    case 'role_set':
    case 'invitation_made':
      return roles[entry.role] ?? entry.role;
    case 'restrained':
      return [measures[entry.measure], entry.seconds ? span(entry.seconds * 1_000) : '', entry.reason].filter(Boolean).join(' · ');
    case 'measure_lifted':
      return measures[entry.measure] ?? entry.measure;
    case 'report_resolved':
      return [reportNo(entry.report), entry.note].filter(Boolean).join(' · ');
    case 'bot_made':
    case 'bot_token_made':
      return entry.scopes.map((scope) => scopeNames[scope]).join(', ');
    default:
      return '';
  }
}

function Rows({ entries, empty }: { entries: readonly AuditEntry[]; empty: string }) {
  const w = office.value;
  const columns = [
    { name: w.filterAct, head: true, of: (entry: AuditEntry) => w.acts[entry.act] ?? entry.act },
    { name: w.whom, of: (entry: AuditEntry) => (entry.whom ? personName(entry.whom) : '') },
    { name: w.details, of: detail },
    { name: w.by, of: (entry: AuditEntry) => (entry.by ? personName(entry.by) : desk.value.theServer) },
    { name: w.fromDevice, of: (entry: AuditEntry) => entry.device_name ?? '' },
    {
      name: w.when,
      of: (entry: AuditEntry) => (
        <span>
          {moment(entry.ts)} {entry.unsynchronised && <small>{desk.value.clockUnsure}</small>}
        </span>
      ),
    },
  ];
  return <Table label={w.audit} columns={columns} rows={entries} keyOf={(entry) => entry.no} empty={empty} />;
}
