// Words that the pages of settings and of administration share. What must not live here: words of one page.
import { computed } from '@preact/signals';
import { words } from '.';

export { moment } from '.';
export { bytesText as size } from './sizes';

const en = {
  back: 'Back',
  toChat: 'Back to the chat',
  retry: 'Try again',
  cancel: 'Cancel',
  save: 'Save',
  saved: 'Saved.',
  done: 'Done.',
  working: 'One moment…',
  actions: 'Actions',
  previous: 'Previous page',
  next: 'Next page',
  search: 'Search',
  nothingFound: 'Nobody is called that.',
  never: 'never',
  now: 'now',
  forEver: 'until it is lifted',
  typeName: (name: string) => `Type ${name} to confirm`,
  password: 'Your password',
  copy: 'Copy',
  copied: 'Copied',
  shownOnce: 'This is shown only once. Keep it somewhere safe before you close this.',
  theServer: 'the operator',
  somebody: 'Somebody',
  seconds: (n: number) => (n === 1 ? '1 second' : `${n} seconds`),
  minutes: (n: number) => (n === 1 ? '1 minute' : `${n} minutes`),
  hours: (n: number) => (n === 1 ? '1 hour' : `${n} hours`),
  days: (n: number) => (n === 1 ? '1 day' : `${n} days`),
  ago: (span: string) => `${span} ago`,
  justNow: 'just now',
  measures: { warning: 'Warning', mute: 'Mute', ban: 'Ban' } as Record<string, string>,
  roles: { member: 'Member', admin: 'Admin', owner: 'Owner' } as Record<string, string>,
  clockUnsure: 'by an unsure clock',
  successorTitle: 'Who takes over?',
  successorLead: 'These conversations would be left without an owner. Choose somebody who is in each of them.',
  successor: 'New owner',
  successorNone: 'Nobody is in all of these conversations. Hand them over one by one first, in each group’s settings.',
};

const zh: typeof en = {
  back: '返回',
  toChat: '返回聊天',
  retry: '重试',
  cancel: '取消',
  save: '保存',
  saved: '已保存。',
  done: '完成。',
  working: '请稍候…',
  actions: '操作',
  previous: '上一页',
  next: '下一页',
  search: '搜索',
  nothingFound: '没有叫这个名字的人。',
  never: '从未',
  now: '现在',
  forEver: '直到解除',
  typeName: (name) => `输入 ${name} 以确认`,
  password: '您的密码',
  copy: '复制',
  copied: '已复制',
  shownOnce: '仅显示这一次。关闭之前请妥善保存。',
  theServer: '运维人员',
  somebody: '某人',
  seconds: (n) => `${n} 秒`,
  minutes: (n) => `${n} 分钟`,
  hours: (n) => `${n} 小时`,
  days: (n) => `${n} 天`,
  ago: (span) => `${span}前`,
  justNow: '刚刚',
  measures: { warning: '警告', mute: '禁言', ban: '封禁' },
  roles: { member: '成员', admin: '管理员', owner: '所有者' },
  clockUnsure: '时钟未必准确',
  successorTitle: '由谁接管？',
  successorLead: '以下会话将没有所有者。请选择一位同在这些会话中的人。',
  successor: '新所有者',
  successorNone: '没有人同时在这些会话中。请先在各群组的设置中逐个移交。',
};

export const desk = computed(() => (words.value.lang === 'en' ? en : zh));

/** The same for a page's own words. */
export function spoken<T>(english: T, chinese: T) {
  return computed(() => (words.value.lang === 'en' ? english : chinese));
}

const digits = (value: number, places: number) => new Intl.NumberFormat(words.value.lang, { maximumFractionDigits: places }).format(value);
export const count = (value: number) => digits(value, value !== 0 && Math.abs(value) < 10 ? 1 : 0);

export function span(ms: number): string {
  const { seconds, minutes, hours, days } = desk.value;
  if (ms < 90_000) return seconds(Math.round(ms / 1_000));
  if (ms < 5_400_000) return minutes(Math.round(ms / 60_000));
  if (ms < 129_600_000) return hours(Math.round(ms / 3_600_000));
  return days(Math.round(ms / 86_400_000));
}

export function ago(ts: number): string {
  const { justNow } = desk.value;
  const passed = Date.now() - ts;
  return passed < 60_000 ? justNow : desk.value.ago(span(passed));
}
