// Reports that wait for somebody to decide, and one of them with its message. What must not live here: reporting; more of a
// conversation than the server shows for it.
import { useState } from 'preact/hooks';
import { moment } from '../../i18n/desk';
import { office } from '../../i18n/office';
import type { Event, ReportInfo, ReportList, ReportView } from '../../proto';
import { Form } from '../parts';
import { personName } from '../state';
import { get, post } from './http';
import { Measures } from './measures';
import { Choice, Link, Loaded, Page, Pager, Part, Table, Text, useLoad } from './parts';

type State = 'open' | 'resolved';
const ROWS = 50;

export function Reports() {
  const [state, setState] = useState<State>('open');
  const [trail, setTrail] = useState<readonly number[]>([]);
  const from = trail.at(-1);
  const query = { state, limit: ROWS, [state === 'open' ? 'after' : 'before']: from };
  const load = useLoad(() => get<ReportList>('reports', query), [state, from]);
  const w = office.value;
  const turn = (to: State) => {
    setTrail([]);
    setState(to);
  };
  const columns = [
    { name: w.reports, head: true, of: (one: ReportInfo) => <Link to={`/admin/reports/${one.report}`}>{w.reportNo(one.report)}</Link> },
    { name: w.author, of: (one: ReportInfo) => personName(one.author) },
    { name: w.reportedBy, of: (one: ReportInfo) => personName(one.by) },
    { name: w.reason, of: (one: ReportInfo) => one.reason },
    { name: w.when, of: (one: ReportInfo) => moment(one.ts) },
  ];
  return (
    <Page title={w.reports} back="/admin">
      <Choice legend={w.state} value={state} set={turn} options={[['open', w.reportsOpen], ['resolved', w.reportsResolved]]} />
      <Loaded from={load}>
        {(list) => (
          <>
            <Table label={w.reports} columns={columns} rows={list.reports} keyOf={(one) => one.report} empty={state === 'open' ? w.noReports : w.noResolved} />
            <Pager back={trail.length ? () => setTrail(trail.slice(0, -1)) : undefined} on={list.more ? () => setTrail([...trail, list.reports.at(-1)!.report]) : undefined} />
          </>
        )}
      </Loaded>
    </Page>
  );
}

export function Report({ no }: { no: string }) {
  const load = useLoad(() => get<ReportView>(`reports/${no}`), [no]);
  const { reportNo, reportShows } = office.value;
  return (
    <Page title={reportNo(Number(no))} back="/admin/reports" lead={reportShows}>
      <Loaded from={load}>{(view) => <Shown view={view} again={load.again} />}</Loaded>
    </Page>
  );
}

function Shown({ view, again }: { view: ReportView; again: () => void }) {
  const { report, events, edits } = view;
  const w = office.value;
  return (
    <>
      <div>
        <p>
          {w.reportedBy}: <strong>{personName(report.by)}</strong>, {moment(report.ts)}
        </p>
        {report.reason && <p>{report.reason}</p>}
      </div>
      <div class="part">
        {events.map((event) => (
          <Message key={event.seq} event={event} edits={edits} it={event.seq === report.seq} />
        ))}
      </div>
      {report.resolved ? (
        <p class="note">
          {w.resolvedBy(personName(report.resolved.by), moment(report.resolved.ts))}. {report.resolved.note}
        </p>
      ) : (
        <Resolve report={report} again={again} />
      )}
      <Measures user={report.author} gone={false} title={`${w.measures}: ${personName(report.author)}`} />
      <p>
        <Link to={`/admin/people/${report.author}`}>{w.toPerson}</Link>
      </p>
    </>
  );
}

/** What it says now. */
function saying(event: Event, edits: readonly Event[]): string {
  const { messageErased, messageFile } = office.value;
  if (event.kind !== 'message' || event.erased) return messageErased;
  const edited = edits.filter((one) => one.kind === 'edited' && one.target === event.seq).at(-1);
  const body = edited?.kind === 'edited' ? edited.body : event.body;
  return body?.kind === 'text' ? body.text : messageFile;
}

function Message({ event, edits, it }: { event: Event; edits: readonly Event[]; it: boolean }) {
  return (
    <article class={it ? 'report-message it' : 'report-message'}>
      <header>
        <strong>{personName(event.by)}</strong> <span class="hint">{moment(event.ts)}</span> {it && <span class="tag warn">{office.value.reportedMessage}</span>}
      </header>
      <p>{saying(event, edits)}</p>
    </article>
  );
}

function Resolve({ report, again }: { report: ReportInfo; again: () => void }) {
  const [note, setNote] = useState('');
  const { resolve, resolveNote } = office.value;
  const go = async () => {
    await post<ReportInfo>(`reports/${report.report}/resolve`, { note: note.trim() });
    again();
  };
  return (
    <Part title={resolve}>
      <Form go={go} label={resolve}>
        <Text label={resolveNote} value={note} set={setNote} maxLength={160} />
      </Form>
    </Part>
  );
}
