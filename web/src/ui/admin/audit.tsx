// The journal of admins, a page at a time, filtered. What must not live here: what writes it.
import { useState } from 'preact/hooks';
import { box } from '../../i18n/box';
import { desk, moment, span } from '../../i18n/desk';
import { office } from '../../i18n/office';
import { oversight } from '../../i18n/oversight';
import type { AuditEntry, AuditPage } from '../../proto';
import { personName, users } from '../state';
import { dayBegins } from './days';
import { get } from './http';
import { Loaded, Page, Pager, Select, Table, Text, useLoad } from './parts';
import { placeName } from './place';

const ROWS = 50;
/** Not a person: the command line on the machine. */
const OPERATOR = 'operator';
const ALL = { act: '', by: '', whom: '', from: '', to: '' };
type Filter = typeof ALL;

function query({ act, by, whom, from, to }: Filter): Record<string, string | number | undefined> {
  const who = by === OPERATOR ? { operator: 'true' } : { by };
  return { act, whom, ...who, from: dayBegins(from), to: dayBegins(to, 1), limit: ROWS };
}

const actNames = (): Record<string, string> => ({ ...office.value.acts, ...oversight.value.acts });

export function Audit() {
  const [filter, setFilter] = useState<Filter>(ALL);
  const [trail, setTrail] = useState<readonly number[]>([]);
  const before = trail.at(-1);
  const load = useLoad(() => get<AuditPage>('audit', { ...query(filter), before }), [JSON.stringify(filter), before]);
  const filtered = Object.values(filter).some(Boolean);
  const { audit, auditLead, noAudit, noAuditFound } = office.value;
  const turn = (to: Filter) => {
    setTrail([]);
    setFilter(to);
  };
  const empty = (page: AuditPage) => (page.more ? oversight.value.lookFurther : filtered ? noAuditFound : noAudit);
  return (
    <Page title={audit} back="/admin" lead={auditLead}>
      <Filters filter={filter} set={turn} />
      <Loaded from={load}>
        {(page) => (
          <>
            <Rows entries={page.entries} empty={empty(page)} />
            <Pager back={trail.length ? () => setTrail(trail.slice(0, -1)) : undefined} on={page.more && page.last != null ? () => setTrail([...trail, page.last!]) : undefined} />
          </>
        )}
      </Loaded>
    </Page>
  );
}

function Filters({ filter, set }: { filter: Filter; set: (filter: Filter) => void }) {
  const w = office.value;
  const { filterBy, filterWhom, filterFrom, filterTo, filterClear } = oversight.value;
  const put = (key: keyof Filter) => (value: string) => set({ ...filter, [key]: value });
  const people = [...users.value.values()].map((user) => [user.user, user.display_name || user.name] as const).sort((one, other) => one[1].localeCompare(other[1]));
  return (
    <div class="fields" role="search" aria-label={w.audit}>
      <Select label={w.filterAct} value={filter.act} set={put('act')} options={[['', w.anything], ...Object.entries(actNames())]} />
      <Select label={filterBy} value={filter.by} set={put('by')} options={[['', w.anybody], [OPERATOR, desk.value.theServer], ...people]} />
      <Select label={filterWhom} value={filter.whom} set={put('whom')} options={[['', w.anybody], ...people]} />
      <Text label={filterFrom} type="date" value={filter.from} set={put('from')} />
      <Text label={filterTo} type="date" value={filter.to} set={put('to')} />
      {Object.values(filter).some(Boolean) && (
        <button type="button" class="lone" onClick={() => set(ALL)}>
          {filterClear}
        </button>
      )}
    </div>
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
    case 'team_named':
      return entry.team;
    case 'address_changed':
      return `${entry.from} → ${entry.to}`;
    case 'backups_placed':
      return `${placeName(entry.from)} → ${placeName(entry.to)}`;
    case 'device_ended':
      return entry.ended.slice(-12);
    case 'board_asked':
      return box.value.verbs[entry.verb] ?? entry.verb;
    default:
      return '';
  }
}

function Rows({ entries, empty }: { entries: readonly AuditEntry[]; empty: string }) {
  const w = office.value;
  const columns = [
    { name: w.filterAct, head: true, of: (entry: AuditEntry) => actNames()[entry.act] ?? entry.act },
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
