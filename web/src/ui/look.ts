// How this browser shows everything: theme and size of text, kept here and not with the account, since screens differ. What
// must not live here: colours (style.css).
import { signal } from '@preact/signals';

export type Theme = 'system' | 'light' | 'dark';
export type TextSize = 'normal' | 'large' | 'larger';

const THEMES: readonly Theme[] = ['system', 'light', 'dark'];
export const SIZES: readonly TextSize[] = ['normal', 'large', 'larger'];

function kept<T extends string>(key: string, known: readonly T[]): T {
  const found = localStorage.getItem(key) as T | null;
  return found && known.includes(found) ? found : known[0]!;
}

export const theme = signal<Theme>(kept('kinglet-theme', THEMES));
export const textSize = signal<TextSize>(kept('kinglet-text', SIZES));

/** An attribute that style.css knows; none for what is usual. */
function mark(name: 'theme' | 'text', value: string, usual: string): void {
  const { dataset } = document.documentElement;
  if (value === usual) delete dataset[name];
  else dataset[name] = value;
}

export function setTheme(value: Theme): void {
  theme.value = value;
  localStorage.setItem('kinglet-theme', value);
  mark('theme', value, 'system');
}

export function setTextSize(value: TextSize): void {
  textSize.value = value;
  localStorage.setItem('kinglet-text', value);
  mark('text', value, 'normal');
}

export const nextTheme = () => setTheme(THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length]!);

mark('theme', theme.value, 'system');
mark('text', textSize.value, 'normal');
