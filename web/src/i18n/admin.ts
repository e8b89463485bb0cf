// The few words of the menu that lead to settings; those of the pages themselves are loaded with them (mine.ts, office.ts).
// What must not live here: words of a page.

export const adminEn = {
  mySettings: 'My settings',
  administration: 'Administration',
  shortcuts: 'Keyboard shortcuts',
  theme: 'Theme',
  themes: { system: 'As the system', light: 'Light', dark: 'Dark' },
  pageLost: 'This page could not be loaded. Check that you are on the server’s network, then try again.',
};

export const adminZh: typeof adminEn = {
  mySettings: '我的设置',
  administration: '管理',
  shortcuts: '键盘快捷键',
  theme: '主题',
  themes: { system: '跟随系统', light: '浅色', dark: '深色' },
  pageLost: '页面无法加载。请确认您在服务器的网络中，然后重试。',
};
