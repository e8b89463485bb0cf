// One's own settings: which pages there are. What must not live here: the pages.
import { installedWords } from '../../i18n/installed';
import { mine } from '../../i18n/mine';
import { words } from '../../i18n';
import { Frame } from '../admin/frame';
import { ThisDevice } from '../installed/device';
import { Appearance } from './appearance';
import { Data } from './data';
import { Devices } from './devices';
import { News } from './news';
import { Notifications } from './notifications';
import { Privacy } from './privacy';
import { Profile } from './profile';
import { Security } from './security';

export function Mine({ at }: { at: string | undefined }) {
  const { profile, news, security, devices, notifications, privacy, appearance, data } = mine.value;
  const entries = [
    { at: 'profile', name: profile, page: () => <Profile /> },
    { at: 'here', name: installedWords.value.title, page: () => <ThisDevice /> },
    { at: 'devices', name: devices, page: () => <Devices /> },
    { at: 'notifications', name: notifications, page: () => <Notifications /> },
    { at: 'privacy', name: privacy, page: () => <Privacy /> },
    { at: 'security', name: security, page: () => <Security /> },
    { at: 'news', name: news, page: () => <News /> },
    { at: 'appearance', name: appearance, page: () => <Appearance /> },
    { at: 'data', name: data, page: () => <Data /> },
  ];
  return <Frame base="/me" title={words.value.mySettings} at={at} entries={entries} />;
}
