// In what kind of browser this page is, as far as joining is concerned: inside another app, or in Safari on a phone whose
// installed apps share nothing with it. Pure: what the browser says of itself comes in. What must not live here: pages.

export type Inside = 'wechat' | 'line' | 'meta' | 'other';

/** Browsers inside other apps keep nothing once they are closed. */
export function insideApp(agent: string): Inside | undefined {
  if (/MicroMessenger|wxwork/i.test(agent)) return 'wechat';
  if (/\bLine\//i.test(agent)) return 'line';
  if (/FBAN|FBAV|FB_IAB|Instagram|Messenger|Barcelona/.test(agent)) return 'meta';
  if (/QQ\/|DingTalk|Weibo|Snapchat|TikTok|musical_ly|BytedanceWebview|Lark\/|Feishu|AlipayClient|Telegram|; wv\)/.test(agent)) return 'other';
  return undefined;
}

export interface Says {
  userAgent: string;
  maxTouchPoints?: number;
  /** Safari's own word for an installed app. */
  standalone?: boolean;
}

/** Safari on iPhone and iPad, and not the installed app. An iPad calls itself a Mac, but is touched. */
export function isAppleSafari(says: Says, standalone: boolean): boolean {
  const { userAgent: agent, maxTouchPoints = 0 } = says;
  if (standalone || says.standalone || insideApp(agent)) return false;
  const apple = /iPhone|iPad|iPod/.test(agent) || (/Macintosh/.test(agent) && maxTouchPoints > 1);
  return apple && /Safari\//.test(agent) && !/CriOS|FxiOS|EdgiOS|OPiOS|OPT\/|DuckDuckGo|GSA\//.test(agent);
}

export const here = {
  inside: () => insideApp(navigator.userAgent),
  appleSafari: () => isAppleSafari(navigator as Says, matchMedia('(display-mode: standalone)').matches),
};
