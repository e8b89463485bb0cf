// Bots: made, given new tokens, removed. What must not live here: what a bot does.
import { useMemo, useState } from 'preact/hooks';
import { ago, desk, moment } from '../../i18n/desk';
import { office } from '../../i18n/office';
import { uuidv7 } from '../../engine/ids';
import type { BotInfo, BotList, BotScope, BotToken } from '../../proto';
import { Window } from '../dialogs';
import { CopyLink, Field, Form } from '../parts';
import { get, part, post } from './http';
import { Confirm, Link, Loaded, Page, Table, Text, useLoad } from './parts';

const SCOPES: readonly BotScope[] = ['read', 'write', 'manage'];
type Asked = { what: 'new' } | { what: 'token' | 'remove'; bot: BotInfo } | undefined;

export function Bots() {
  const load = useLoad(async () => (await get<BotList>('admin/bots')).bots);
  const [asked, ask] = useState<Asked>();
  const w = office.value;
  const close = () => ask(undefined);
  const remove = (bot: BotInfo) => async () => {
    await part(`users/${bot.bot.user}/deactivate`, { client_id: uuidv7() });
    load.again();
  };
  const make = (
    <button type="button" class="main" onClick={() => ask({ what: 'new' })}>
      {w.newBot}
    </button>
  );
  return (
    <Page title={w.bots} back="/admin" lead={w.botsLead} actions={make}>
      <Loaded from={load}>{(bots) => <Rows bots={bots} ask={ask} />}</Loaded>
      {asked?.what === 'new' && <NewBot close={close} made={load.again} />}
      {asked?.what === 'token' && <NewToken bot={asked.bot} close={close} made={load.again} />}
      {asked?.what === 'remove' && <Confirm title={`${w.removeBot}: ${asked.bot.bot.name}`} lead={<p>{w.removeBotLead}</p>} act={w.removeBot} danger go={remove(asked.bot)} close={close} />}
    </Page>
  );
}

function Rows({ bots, ask }: { bots: readonly BotInfo[]; ask: (asked: Asked) => void }) {
  const w = office.value;
  const columns = [
    { name: w.name, head: true, of: ({ bot }: BotInfo) => <Link to={`/admin/people/${bot.user}`}>{bot.display_name || bot.name}</Link> },
    { name: w.scopes, of: (one: BotInfo) => one.scopes.map((scope) => w.scopeNames[scope]).join(', ') },
    { name: w.tokenMade, of: (one: BotInfo) => moment(one.token_made) },
    { name: w.lastSeen, of: (one: BotInfo) => (one.signed_in ? (one.last_seen ? ago(one.last_seen) : desk.value.never) : <span class="tag warn">{w.tokenDead}</span>) },
    {
      name: '',
      of: (one: BotInfo) => (
        <div class="choices">
          <button type="button" class="small" aria-label={`${w.newToken}: ${one.bot.name}`} onClick={() => ask({ what: 'token', bot: one })}>
            {w.newToken}
          </button>
          <button type="button" class="small danger" aria-label={`${w.removeBot}: ${one.bot.name}`} onClick={() => ask({ what: 'remove', bot: one })}>
            {w.removeBot}
          </button>
        </div>
      ),
    },
  ];
  return <Table label={w.bots} columns={columns} rows={bots} keyOf={(one) => one.bot.user} empty={w.noBots} />;
}

function Scopes({ chosen, set }: { chosen: readonly BotScope[]; set: (scopes: BotScope[]) => void }) {
  const { scopes, scopeNames, scopeHints } = office.value;
  const toggle = (scope: BotScope, on: boolean) => set(SCOPES.filter((one) => (one === scope ? on : chosen.includes(one))));
  return (
    <fieldset class="choice">
      <legend>{scopes}</legend>
      {SCOPES.map((scope) => (
        <label key={scope}>
          <input type="checkbox" checked={chosen.includes(scope)} onChange={(event) => toggle(scope, event.currentTarget.checked)} />
          <span>
            {scopeNames[scope]}
            <small>{scopeHints[scope]}</small>
          </span>
        </label>
      ))}
    </fieldset>
  );
}

function Token({ told, close }: { told: BotToken; close: () => void }) {
  const { tokenFor } = office.value;
  return (
    <Window title={tokenFor(told.bot.name)} close={close}>
      <p role="status">{desk.value.shownOnce}</p>
      <CopyLink link={told.token} />
    </Window>
  );
}

function NewBot({ close, made }: { close: () => void; made: () => void }) {
  const [name, setName] = useState('');
  const [display, setDisplay] = useState('');
  const [scopes, setScopes] = useState<BotScope[]>(['read', 'write']);
  const [told, setTold] = useState<BotToken>();
  // The same bot asked for again is the same one; another is not.
  const client_id = useMemo(uuidv7, [name, display, scopes]);
  const w = office.value;
  const make = async () => {
    setTold(await post<BotToken>('admin/bots', { client_id, name: name.trim(), display_name: display.trim(), scopes }));
    made();
  };
  if (told) return <Token told={told} close={close} />;
  return (
    <Window title={w.newBot} close={close}>
      <Form go={make} label={w.make}>
        <Field label={w.botName} value={name} onInput={setName} maxLength={32} autofocus />
        <Text label={w.botShown} value={display} set={setDisplay} maxLength={64} />
        <Scopes chosen={scopes} set={setScopes} />
      </Form>
    </Window>
  );
}

function NewToken({ bot, close, made }: { bot: BotInfo; close: () => void; made: () => void }) {
  const [scopes, setScopes] = useState<BotScope[]>(bot.scopes);
  const [told, setTold] = useState<BotToken>();
  const client_id = useMemo(uuidv7, [scopes]);
  const w = office.value;
  const make = async () => {
    setTold(await post<BotToken>(`admin/bots/${bot.bot.user}/token`, { client_id, scopes }));
    made();
  };
  if (told) return <Token told={told} close={close} />;
  return (
    <Window title={`${w.newToken}: ${bot.bot.name}`} close={close}>
      <Form go={make} label={w.make}>
        <p>{w.newTokenLead}</p>
        <Scopes chosen={scopes} set={setScopes} />
      </Form>
    </Window>
  );
}
