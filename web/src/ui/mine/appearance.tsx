// How this browser shows everything: language, theme, size of text. What must not live here: how that is kept (ui/look.ts).
import { mine } from '../../i18n/mine';
import { otherLanguage, words } from '../../i18n';
import { Choice, Page } from '../admin/parts';
import { SIZES, setTextSize, setTheme, textSize, theme } from '../look';

export function Appearance() {
  const { appearance, appearanceLead, language, text, sizes, motion } = mine.value;
  const { themes, lang } = words.value;
  const speak = (chosen: string) => {
    if (chosen !== lang) otherLanguage();
  };
  return (
    <Page title={appearance} back="/me" lead={appearanceLead}>
      <Choice legend={language} value={lang} set={speak} options={[['en', 'English'], ['zh-Hans', '简体中文']]} />
      <Choice legend={mine.value.theme} value={theme.value} set={setTheme} options={[['system', themes.system], ['light', themes.light], ['dark', themes.dark]]} />
      <Choice legend={text} value={textSize.value} set={setTextSize} options={SIZES.map((one) => [one, sizes[one]] as const)} />
      <p class="hint">{motion}</p>
    </Page>
  );
}
