// What the server has to tell somebody about their account: who changed what, and the reasons of warnings and mutes. What must
// not live here: what others did to others.
import { desk, moment } from '../../i18n/desk';
import { mine } from '../../i18n/mine';
import type { News as One, NewsPage } from '../../proto';
import { get } from '../admin/http';
import { Loaded, Page, Table, useLoad } from '../admin/parts';
import { personName } from '../state';

/** The server keeps no more than one page of them. */
const ROWS = 100;

export function News() {
  const load = useLoad(async () => (await get<NewsPage>('news', { limit: ROWS })).news.reverse());
  const { news, newsLead, noNews, when, newsBy } = mine.value;
  const by = (one: One) => ('by' in one && one.by ? newsBy(personName(one.by)) : '');
  const columns = [
    {
      name: news,
      head: true,
      of: (one: One) => (
        <span>
          {said(one)} <small>{by(one)}</small>
        </span>
      ),
    },
    { name: when, of: (one: One) => moment(one.ts) },
  ];
  return (
    <Page title={news} back="/me" lead={newsLead}>
      <Loaded from={load}>{(list) => <Table label={news} columns={columns} rows={list} keyOf={(one) => one.no} empty={noNews} />}</Loaded>
    </Page>
  );
}

function said(one: One): string {
  const { newsKinds: kinds, newsOther, untilWhen } = mine.value;
  const { measures, roles, forEver } = desk.value;
  const until = (ts: number | null | undefined) => (ts ? untilWhen(moment(ts)) : forEver);
  switch (one.kind) {
    case 'password_reset':
    case 'device_added':
      return kinds[one.kind](one.device_name);
    case 'reset_link_used':
      return kinds[one.kind](personName(one.user));
    case 'server_role':
      return kinds[one.kind](roles[one.role] ?? one.role);
    case 'warned':
      return kinds[one.kind](one.reason);
    case 'muted':
    case 'banned':
      return kinds[one.kind](one.reason, until(one.until));
    case 'lifted':
      return kinds[one.kind](measures[one.measure] ?? one.measure);
    case 'report_resolved':
      return kinds[one.kind](String(one.report));
    case 'reset_link_made':
    case 'reactivated':
    case 'reports_waiting':
      return kinds[one.kind]();
    default:
      return newsOther;
  }
}
