// The words of notifications, for pages and for the service worker, which has no other. What must not live here: other words.
export const noticesEn = {
  newMessage: 'New message',
  unread: (count: number) => (count === 1 ? '1 unread message' : `${count} unread messages`),
  testTitle: 'It works',
  testBody: 'This device gets notifications from your team’s server.',
};

export const noticesZh: typeof noticesEn = {
  newMessage: '新消息',
  unread: (count) => `${count} 条未读消息`,
  testTitle: '通知正常',
  testBody: '此设备可以收到团队服务器的通知。',
};
