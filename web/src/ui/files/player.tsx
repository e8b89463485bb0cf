// Sound: one voice message or piece of music, fetched when it is first played. What must not live here: how it is recorded.
import { useEffect, useRef, useState } from 'preact/hooks';
import { explained } from '../../i18n';
import { bytesText, fileWords, lasts } from '../../i18n/files';
import { fetched, save, useOwn } from './media';

interface Props {
  /** Empty for what is on this device only. */
  blob: string;
  own?: Blob;
  name: string;
  size: number;
  media: string;
  ms: number;
  voice: boolean;
}

/** One at a time is heard. */
let playing: HTMLAudioElement | undefined;

/** Browsers record Opus in containers that some of them call film. */
const isOpus = (media: string) => /webm|ogg|opus/.test(media);
const soundOf = (media: string) => media.replace(/^video\//, 'audio/');

export function Player({ blob, own, name, size, media, ms, voice }: Props) {
  const [bytes, setBytes] = useState<Blob | undefined>(own);
  const [state, setState] = useState({ on: false, at: 0, ms, loading: false, wrong: '' });
  const audio = useRef<HTMLAudioElement>(null);
  const url = useOwn(bytes);
  const change = (to: Partial<typeof state>) => setState((now) => ({ ...now, ...to }));
  const { play, pause, voiceMessage, opus, cannotPlay, download, position } = fileWords.value;
  const can = media === '' || fileWords.value.playable(soundOf(media));
  useEffect(() => () => audio.current?.pause(), []);
  const start = () => {
    if (playing !== audio.current) playing?.pause();
    playing = audio.current ?? undefined;
    void audio.current?.play().catch(() => change({ wrong: cannotPlay }));
  };
  // The first press fetches; it plays when it is here.
  const wanted = useRef(false);
  useEffect(() => {
    if (url && wanted.current) start();
  }, [url]);
  const press = async () => {
    if (state.on) {
      audio.current?.pause();
      return;
    }
    if (url) {
      start();
      return;
    }
    wanted.current = true;
    change({ loading: true, wrong: '' });
    try {
      const all = await fetched(blob);
      setBytes(all.slice(0, all.size, media ? soundOf(media) : all.type));
      change({ loading: false });
    } catch (error) {
      change({ loading: false, wrong: explained(error) });
    }
  };
  const label = voice ? voiceMessage : name;
  const total = state.ms || 0;
  const about = state.wrong || [lasts(state.at || total), voice ? '' : bytesText(size), isOpus(media) ? opus : ''].filter(Boolean).join(' · ');
  return (
    <div class={`sound${voice ? ' voice' : ''}${can ? '' : ' mute'}`}>
      {can ? (
        <button type="button" class="round main" aria-label={`${state.on ? pause : play(label)}, ${lasts(total)}`} aria-busy={state.loading} onClick={() => void press()}>
          <span aria-hidden="true">{state.loading ? '…' : state.on ? '❚❚' : '▶'}</span>
        </button>
      ) : (
        <button type="button" class="quiet" aria-label={`${download} ${name}`} onClick={() => void fetched(blob).then((all) => save(all, name)).catch((error: unknown) => change({ wrong: explained(error) }))}>{download}</button>
      )}
      {!voice && <span class="name" title={name}>{name}</span>}
      {can && (
        <input
          type="range"
          min={0}
          max={Math.max(1, Math.round(total / 100))}
          value={Math.round(state.at / 100)}
          aria-label={position}
          aria-valuetext={lasts(state.at)}
          disabled={!url}
          onInput={({ currentTarget }) => {
            if (audio.current) audio.current.currentTime = Number(currentTarget.value) / 10;
          }}
        />
      )}
      <span class={state.wrong ? 'about wrong' : 'about'}>{can ? about : `${cannotPlay} · ${about}`}</span>
      <audio
        ref={audio}
        src={url}
        preload="none"
        onPlay={() => change({ on: true })}
        onPause={() => change({ on: false })}
        onEnded={() => change({ on: false, at: 0 })}
        onTimeUpdate={({ currentTarget }) => change({ at: currentTarget.currentTime * 1_000 })}
        onLoadedMetadata={({ currentTarget: { duration } }) => Number.isFinite(duration) && change({ ms: duration * 1_000 })}
      />
    </div>
  );
}
