// What others see of oneself: picture, name, status. What must not live here: how a picture is cut (crop.tsx).
import { useRef, useState } from 'preact/hooks';
import { desk } from '../../i18n/desk';
import { mine } from '../../i18n/mine';
import { words } from '../../i18n';
import { uuidv7 } from '../../engine/ids';
import { Lost } from '../../engine/refusal';
import type { Profile as Told, UploadInfo } from '../../proto';
import { keep, post, raw, send } from '../admin/http';
import { Confirm, Page, Part, Said, Select, Text } from '../admin/parts';
import { Avatar } from '../avatar';
import { Field, Form } from '../parts';
import { me, session, users } from '../state';
import { Crop, readPicture } from './crop';

export function Profile() {
  const { profile, profileLead } = mine.value;
  return (
    <Page title={profile} back="/me" lead={profileLead}>
      <Picture />
      <Name />
      <Status />
    </Page>
  );
}

/** Brings the picture and says that it is one's own. */
async function bring(picture: Blob): Promise<void> {
  const { upload } = await post<UploadInfo>('uploads', { client_id: uuidv7(), size: picture.size });
  const response = await raw(`uploads/${upload}`, { method: 'PUT', body: picture, headers: { 'Content-Type': 'application/octet-stream', 'Upload-Offset': '0' } });
  const { blob } = (await response.json()) as UploadInfo;
  if (!blob) throw new Lost('the file did not arrive whole');
  await keep({ key: 'avatar', value: blob.blob });
}

function Picture() {
  const [image, setImage] = useState<HTMLImageElement>();
  const [asks, setAsks] = useState(false);
  const [wrong, setWrong] = useState('');
  const [said, setSaid] = useState('');
  const file = useRef<HTMLInputElement>(null);
  const mineNow = users.value.get(me.value);
  const name = mineNow?.display_name || session.value?.name || '';
  const pick = async (chosen: File | undefined) => {
    setWrong('');
    setSaid('');
    if (!chosen) return;
    try {
      setImage(await readPicture(chosen));
    } catch {
      setWrong(mine.value.pictureBad);
    }
    if (file.current) file.current.value = '';
  };
  const use = async (picture: Blob) => {
    await bring(picture);
    setSaid(desk.value.saved);
  };
  const { picture, choosePicture, changePicture, removePicture, removePictureLead } = mine.value;
  return (
    <Part title={picture}>
      <div class="portrait">
        <Avatar name={name} seed={me.value} large />
        <div class="choices">
          <button type="button" onClick={() => file.current?.click()}>
            {mineNow?.avatar ? changePicture : choosePicture}
          </button>
          {mineNow?.avatar && (
            <button type="button" class="quiet" onClick={() => setAsks(true)}>
              {removePicture}
            </button>
          )}
        </div>
        <input ref={file} type="file" accept="image/*" class="unseen" tabIndex={-1} aria-label={choosePicture} onChange={(event) => void pick(event.currentTarget.files?.[0])} />
      </div>
      <p class="wrong" role="alert">
        {wrong}
      </p>
      <Said text={said} />
      {image && <Crop image={image} use={use} close={() => setImage(undefined)} />}
      {asks && <Confirm title={removePicture} lead={<p>{removePictureLead}</p>} act={removePicture} danger go={() => keep({ key: 'avatar' })} close={() => setAsks(false)} />}
    </Part>
  );
}

function Name() {
  const known = users.value.get(me.value)?.display_name ?? session.value?.display_name ?? '';
  const [name, setName] = useState(known);
  const [said, setSaid] = useState('');
  const save = async () => {
    setSaid('');
    const { display_name } = await send<Told>('PATCH', 'profile', { display_name: name.trim() });
    setName(display_name);
    setSaid(desk.value.saved);
  };
  const { displayName, displayNameHint, userName } = mine.value;
  return (
    <Part title={words.value.name} hint={userName(session.value?.name ?? '')}>
      <Form go={save} label={desk.value.save}>
        <Field label={displayName} hint={displayNameHint} value={name} onInput={setName} maxLength={64} />
      </Form>
      <Said text={said} />
    </Part>
  );
}

type Until = keyof typeof mine.value.untils;
const MINUTE = 60_000;

function end(until: Until): number | undefined {
  const now = Date.now();
  const after: Record<Until, number | undefined> = {
    none: undefined,
    half: now + 30 * MINUTE,
    hour: now + 60 * MINUTE,
    four: now + 240 * MINUTE,
    today: new Date(now).setHours(23, 59, 59, 0),
    week: now + 7 * 24 * 60 * MINUTE,
  };
  return after[until];
}

function Status() {
  const now = users.value.get(me.value)?.status;
  const live = now && (!now.until || now.until > Date.now()) ? now : undefined;
  const [text, setText] = useState(live?.text ?? '');
  const [emoji, setEmoji] = useState(live?.emoji ?? '');
  const [until, setUntil] = useState<Until>('none');
  const [said, setSaid] = useState('');
  const save = async () => {
    setSaid('');
    const ends = end(until);
    const value = { text: text.trim(), ...(emoji.trim() ? { emoji: emoji.trim() } : {}), ...(ends ? { until: ends } : {}) };
    await keep(value.text || value.emoji ? { key: 'status', value } : { key: 'status' });
    setSaid(desk.value.saved);
  };
  const { status, statusHint, statusEmoji, statusText, statusUntil, untils } = mine.value;
  const options = Object.entries(untils) as [Until, string][];
  return (
    <Part title={status} hint={statusHint}>
      <Form go={save} label={desk.value.save}>
        <div class="fields">
          <Text label={statusText} value={text} set={setText} maxLength={100} />
          <Text label={statusEmoji} value={emoji} set={setEmoji} maxLength={16} />
        </div>
        <Select label={statusUntil} value={until} set={setUntil} options={options} />
      </Form>
      <Said text={said} />
    </Part>
  );
}
