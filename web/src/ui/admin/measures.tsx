// What was done about a person, and doing more or lifting it. What must not live here: reports.
import { useState } from 'preact/hooks';
import { desk, moment } from '../../i18n/desk';
import { office } from '../../i18n/office';
import { uuidv7 } from '../../engine/ids';
import type { MeasureInfo, MeasureList } from '../../proto';
import { personName } from '../state';
import { get, post } from './http';
import { Confirm, type Load, Loaded, Part, Select, Table, Text, useAct, useLoad } from './parts';

type Act = 'warn' | 'mute' | 'ban';
type Span = keyof typeof office.value.spans;

const HOUR = 3_600;
const SECONDS: Record<Span, number | undefined> = { hour: HOUR, day: 24 * HOUR, week: 7 * 24 * HOUR, month: 30 * 24 * HOUR, none: undefined };

export function Measures({ user, gone, title }: { user: string; gone: boolean; title?: string }) {
  const load = useLoad(() => get<MeasureList>('measures', { user, limit: 50 }), [user]);
  const { measures, measuresHint } = office.value;
  return (
    <Part title={title ?? measures} hint={measuresHint}>
      <Loaded from={load}>
        {(list) => (
          <>
            {!gone && <Buttons user={user} list={list} load={load} />}
            <Rows list={list} />
          </>
        )}
      </Loaded>
    </Part>
  );
}

function Buttons({ user, list, load }: { user: string; list: MeasureList; load: Load<MeasureList> }) {
  const [asked, ask] = useState<Act>();
  const { run, wrong } = useAct();
  const w = office.value;
  const holds = (kind: 'mute' | 'ban') => list.measures.some((one) => one.measure === kind && one.holds);
  const lift = (what: 'unmute' | 'unban') =>
    run(async () => {
      await post(`users/${user}/${what}`);
      load.again();
    });
  return (
    <>
      <div class="choices">
        <button type="button" onClick={() => ask('warn')}>
          {w.warn}
        </button>
        <button type="button" onClick={() => (holds('mute') ? void lift('unmute') : ask('mute'))}>
          {holds('mute') ? w.unmute : w.mute}
        </button>
        <button type="button" class={holds('ban') ? undefined : 'danger'} onClick={() => (holds('ban') ? void lift('unban') : ask('ban'))}>
          {holds('ban') ? w.unban : w.ban}
        </button>
      </div>
      <p class="wrong" role="alert">
        {wrong}
      </p>
      {asked && <Restrain user={user} act={asked} done={load.again} close={() => ask(undefined)} />}
    </>
  );
}

function Restrain({ user, act, done, close }: { user: string; act: Act; done: () => void; close: () => void }) {
  const [reason, setReason] = useState('');
  const [span, setSpan] = useState<Span>(act === 'mute' ? 'day' : 'none');
  const [client_id] = useState(uuidv7);
  const w = office.value;
  const leads = { warn: w.warnLead, mute: w.muteLead, ban: w.banLead };
  const restrain = async () => {
    const seconds = act === 'warn' ? undefined : SECONDS[span];
    await post(`users/${user}/${act}`, { client_id, reason: reason.trim(), ...(seconds ? { seconds } : {}) });
    done();
  };
  return (
    <Confirm title={`${w[act]}: ${personName(user)}`} lead={<p>{leads[act]}</p>} act={w[act]} danger={act !== 'warn'} go={restrain} close={close}>
      <Text label={w.reason} value={reason} set={setReason} maxLength={160} />
      {act !== 'warn' && <Select label={w.forHowLong} value={span} set={setSpan} options={Object.entries(w.spans) as [Span, string][]} />}
    </Confirm>
  );
}

function Rows({ list }: { list: MeasureList }) {
  const { measures, measure, noMeasures, reason, when, by, until, holds } = office.value;
  const columns = [
    {
      name: measure,
      head: true,
      of: (one: MeasureInfo) => (
        <span class="tags">
          {desk.value.measures[one.measure]} {one.holds && <span class="tag warn">{holds}</span>}
        </span>
      ),
    },
    { name: reason, of: (one: MeasureInfo) => one.reason },
    { name: when, of: (one: MeasureInfo) => moment(one.ts) },
    { name: until, of: (one: MeasureInfo) => (one.measure === 'warning' ? '' : one.until ? moment(one.until) : desk.value.forEver) },
    { name: by, of: (one: MeasureInfo) => (one.by ? personName(one.by) : desk.value.theServer) },
  ];
  return <Table label={measures} columns={columns} rows={list.measures} keyOf={(one) => one.no} empty={noMeasures} />;
}
