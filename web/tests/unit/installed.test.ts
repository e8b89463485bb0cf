// What the service worker answers and says, and when one wants to be told. What must not live here: workers and browsers.
import { describe, expect, test } from 'vitest';
import type { Kept, Quiet } from '../../src/proto';
import { isQuiet, wants } from '../../src/ui/installed/wishes';
import { noticeOf, read } from '../../src/worker/notice';
import { isPage, named, stale } from '../../src/worker/shell';

describe('what the worker answers', () => {
  const page = (path: string) => isPage(new URL(path, 'https://chat.example'));
  test('the client’s addresses are pages', () => {
    for (const path of ['/', '/join', '/pair', '/c/c5f9k2m8xqa', '/me/devices', '/share?text=a.b', '/admin/people/u1ada7x3q9k']) expect([path, page(path)]).toEqual([path, true]);
  });
  test('the server’s own addresses, files, and what is asked for afresh are not', () => {
    for (const path of ['/api/v1/me/export', '/ws', '/health', '/metrics', '/trust', '/sw.js', '/icon.svg', '/?fresh', '/c/c5f9k2m8xqa?fresh=1']) expect([path, page(path)]).toEqual([path, false]);
  });
  test('what a page names, and which shells go', () => {
    expect(named('<script src="/assets/index-1.js"></script><link href="/assets/index-2.css"><link href="/icon.svg">')).toEqual(['/assets/index-1.js', '/assets/index-2.css']);
    const shells = ['kinglet-shell-a', 'kinglet-told', 'kinglet-shell-b', 'kinglet-shell-c'];
    expect(stale(shells, 'kinglet-shell-c')).toEqual(['kinglet-shell-a']);
    expect(stale(['kinglet-shell-c'], 'kinglet-shell-c')).toEqual([]);
  });
});

describe('what a push message says', () => {
  const bare = { type: 'message', conversation: 'c5f9k2m8xqa', seq: 11, count: 3 } as const;
  test('with names and text what was written, without them what is known here', () => {
    const full = { ...bare, by: 'u2b0b5mt8wz', name: 'Bob B.', text: 'Five minutes' };
    expect(noticeOf({ ...full, title: 'birds' }, { elsewhere: 2 }, 'en')).toEqual({ title: 'birds', body: 'Bob B.: Five minutes', tag: bare.conversation, path: '/c/c5f9k2m8xqa', unread: 5 });
    expect(noticeOf(full, { title: 'Bob', elsewhere: 0 }, 'en')).toMatchObject({ title: 'Bob B.', body: 'Five minutes' });
    expect(noticeOf(bare, { title: 'birds', elsewhere: 0 }, 'en')).toMatchObject({ title: 'birds', body: '3 unread messages' });
    expect(noticeOf(bare, { elsewhere: 0 }, 'zh-Hans')).toMatchObject({ title: '新消息', body: '3 条未读消息' });
  });
  test('what is of no known form says nothing', () => {
    for (const text of ['', '{', '{"type":"weather"}', '{"type":"message","conversation":"/../x","seq":1,"count":1}', 'null']) expect([text, read(text)]).toEqual([text, undefined]);
    expect(read('{"type":"test"}')).toEqual({ type: 'test' });
  });
});

describe('when one wants to be told', () => {
  const now = Date.parse('2025-06-02T12:00:00Z');
  const about = { conversation: 'c1', direct: false, mentioned: false };
  const settings = (...kept: Partial<Kept>[]) => new Map(kept.map((one) => [`${one.key}:${'conversation' in one ? one.conversation : ''}`, one as Kept]));
  const notify = (level: string, more: object = {}, until?: number) => ({ key: 'notify', ...more, value: { level, ...(until ? { until } : {}) } }) as Partial<Kept>;
  test('the nearest level that still holds decides; a direct conversation counts as meant for one', () => {
    expect(wants(settings(), about, now)).toBe(true);
    expect(wants(settings(notify('none')), about, now)).toBe(false);
    expect(wants(settings(notify('none'), notify('all', { conversation: 'c1' })), about, now)).toBe(true);
    expect(wants(settings(notify('none', { conversation: 'c1' }, now)), about, now)).toBe(true);
    expect(wants(settings(notify('none', { conversation: 'c1' }, now + 1)), about, now)).toBe(false);
    expect(wants(settings(notify('mentions')), about, now)).toBe(false);
    expect(wants(settings(notify('mentions')), { ...about, mentioned: true }, now)).toBe(true);
    expect(wants(settings(notify('mentions')), { ...about, direct: true }, now)).toBe(true);
  });
  test('quiet hours go by the clock on the wall there, over midnight and over the change of clocks', () => {
    const night: Quiet = { zone: 'Europe/Berlin', hours: [{ days: ['mon'], from: 22 * 60, to: 7 * 60 }] };
    const quiet = (at: string, hours = night) => isQuiet(hours, Date.parse(at));
    expect([quiet('2025-06-02T19:59:00Z'), quiet('2025-06-02T20:00:00Z'), quiet('2025-06-03T04:59:00Z'), quiet('2025-06-03T05:00:00Z')]).toEqual([false, true, true, false]);
    expect([quiet('2025-06-03T20:00:00Z'), quiet('2025-12-01T20:59:00Z'), quiet('2025-12-01T21:00:00Z')]).toEqual([false, false, true]);
    const noon: Quiet = { zone: 'Asia/Shanghai', hours: [{ days: ['mon'], from: 0, to: 0 }] };
    expect([quiet('2025-06-01T15:59:00Z', noon), quiet('2025-06-01T16:00:00Z', noon), quiet('2025-06-02T16:00:00Z', noon)]).toEqual([false, true, false]);
    expect(quiet('2025-06-02T20:00:00Z', { ...night, zone: 'Nowhere/Land' })).toBe(false);
    expect(wants(settings({ key: 'quiet', value: night } as Partial<Kept>), about, Date.parse('2025-06-02T20:00:00Z'))).toBe(false);
  });
});
